//! Whether two URLs are the same place.

/// RFC 9449 §4.3: query and fragment are ignored, and the rest is compared after syntax- and scheme-based normalization
/// (RFC 3986 §6.2.2 and §6.2.3). What is no http or https URL is the same as nothing.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let one = normal(one);
    one.is_some() && one == normal(other)
}

fn normal(url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next()?;
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // RFC 9110 §4.2.4: a user's name there is an error.
    if authority.contains('@') {
        return None;
    }
    let (host, port) = split_port(authority)?;
    if host.is_empty() {
        return None;
    }
    let host = plain(host).to_ascii_lowercase();
    let port = match port.filter(|port| *port != default_port) {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    Some(format!("{scheme}://{host}{port}{}", without_dots(&plain(path))))
}

/// `None` for a port that cannot be one; an empty one is the scheme's own.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address stand within brackets.
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    if matches!(port, "" | ":") {
        return Some((host, None));
    }
    let digits =
        port.strip_prefix(':').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some((host, Some(digits.parse().ok()?)))
}

/// RFC 3986 §6.2.2.1 and §6.2.2.2: what need not be encoded is decoded, the rest has upper-case digits.
fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let encoded = part.split_at_checked(2).and_then(|(digits, rest)| Some((byte(digits)?, digits, rest)));
        let rest = match encoded {
            Some((byte, _, rest)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(byte.into());
                rest
            }
            Some((_, digits, rest)) => {
                plain.push('%');
                plain.push_str(&digits.to_ascii_uppercase());
                rest
            }
            None => {
                plain.push('%');
                part
            }
        };
        plain.push_str(rest);
    }
    plain
}

fn byte(digits: &str) -> Option<u8> {
    // from_str_radix reads "+a", too.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    u8::from_str_radix(digits?, 16).ok()
}

/// RFC 3986 §5.2.4 for a path that begins at the root; an empty one is the root (§6.2.3).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = true;
    for segment in path.strip_prefix('/').unwrap_or_default().split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_name_the_same_place_are_the_same() {
        for (one, other) in [
            ("https://api.example.com/orders", "https://api.example.com/orders"),
            ("https://api.example.com/orders", "HTTPS://API.Example.COM/orders"),
            ("https://api.example.com/orders", "https://api.example.com:443/orders"),
            ("https://api.example.com/orders", "https://api.example.com:/orders"),
            ("http://api.example.com/orders", "http://api.example.com:80/orders"),
            ("http://api.example.com:8080/", "http://api.example.com:08080"),
            ("https://api.example.com", "https://api.example.com/"),
            ("https://api.example.com", "https://api.example.com?page=1"),
            ("https://api.example.com/orders", "https://api.example.com/orders?page=1#top"),
            ("https://api.example.com/orders?a", "https://api.example.com/orders#https://other.example"),
            ("https://api.example.com/~ana/%C3%A9", "https://api.example.com/%7Eana/%c3%a9"),
            ("https://api.example.com/a/c", "https://api.example.com/a/./b/../c"),
            ("https://api.example.com/a/", "https://api.example.com/a/."),
            ("https://api.example.com/a/", "https://api.example.com/a/b/.."),
            ("https://api.example.com/a", "https://api.example.com/../%2e%2E/a"),
            ("https://api.example.com/100%", "https://api.example.com/100%"),
            ("https://api.example.com/%zz%4", "https://api.example.com/%zz%4"),
            ("https://[2001:DB8::1]/", "https://[2001:db8::1]:443"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ] {
            assert!(is_same(one, other), "{one} and {other}");
            assert!(is_same(other, one), "{other} and {one}");
        }
    }

    #[test]
    fn urls_that_name_other_places_are_not() {
        for (one, other) in [
            ("https://api.example.com/orders", "http://api.example.com/orders"),
            ("https://api.example.com/orders", "https://api.example.org/orders"),
            ("https://api.example.com/orders", "https://api.example.com:8443/orders"),
            ("https://api.example.com/", "https://api.example.com:80/"),
            ("https://api.example.com/orders", "https://api.example.com/orders/"),
            ("https://api.example.com/orders", "https://api.example.com/Orders"),
            ("https://api.example.com/a/b", "https://api.example.com/a%2Fb"),
            ("https://api.example.com/a/b", "https://api.example.com/a//b"),
            ("https://api.example.com/a", "https://api.example.com/"),
            ("https://api.example.com/a", "https://api.example.com/a/b/.."),
            ("https://[::1]/", "https://[::2]/"),
        ] {
            assert!(!is_same(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_url_is_the_same_as_nothing() {
        for url in [
            "",
            "/orders",
            "//api.example.com/orders",
            "api.example.com/orders",
            "https:/api.example.com/orders",
            "https:///orders",
            "https://:443/orders",
            "https://ana@api.example.com/orders",
            "https://ana:secret@api.example.com/orders",
            "https://api.example.com:https/orders",
            "https://api.example.com:65536/orders",
            "https://api.example.com:+443/orders",
            "https://[::1]x/",
            "https://api.example.com/or ders",
            "https://api.example.com/orders\n",
            "ftp://api.example.com/orders",
            "https",
        ] {
            assert!(!is_same(url, url), "{url}");
        }
    }
}
