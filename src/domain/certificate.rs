//! A client's certificate (X.509): what tokens are bound to, and what clients prove themselves with (RFC 8705).

use std::net::IpAddr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

/// `x5t#S256`: the base64url of a certificate's SHA-256 (RFC 8705 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateThumbprint(String);

/// A certificate that somebody showed. That they have its key, TLS has proved.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    der: Vec<u8>,
    /// Those that came with it, of whoever vouches for it.
    chain: Vec<Vec<u8>>,
    thumbprint: CertificateThumbprint,
    read: Certificate,
}

/// The bytes are no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an X.509 certificate in DER")]
pub struct InvalidCertificate;

impl ClientCertificate {
    /// Reads a certificate (DER), with those that vouch for it.
    ///
    /// # Errors
    /// [`InvalidCertificate`].
    pub fn read(der: Vec<u8>, chain: Vec<Vec<u8>>) -> Result<Self, InvalidCertificate> {
        let read = Certificate::from_der(&der).map_err(|_| InvalidCertificate)?;
        let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        Ok(Self { der, chain, thumbprint: CertificateThumbprint(hash), read })
    }

    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Those that came with it.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(Vec::as_slice)
    }

    #[must_use]
    pub fn thumbprint(&self) -> &CertificateThumbprint {
        &self.thumbprint
    }

    /// Whether it is good at this time: not before its first second, and to the end of its last (RFC 5280 §4.1.2.5).
    #[must_use]
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        let validity = self.read.tbs_certificate().validity();
        let Ok(now) = u64::try_from(now.timestamp()) else { return false };
        let [begin, end] = [validity.not_before, validity.not_after].map(Time::to_unix_duration);
        (begin.as_secs()..=end.as_secs()).contains(&now)
    }

    /// Whether it is the one that a registered key stands for (RFC 8705 §2.2.2): the very one where the key has a
    /// certificate (`x5c`), and else any with that key.
    #[must_use]
    pub fn is_of(&self, key: &Value) -> bool {
        if let Some(chain) = key.get("x5c") {
            let first = chain.get(0).and_then(Value::as_str);
            return first.and_then(|text| STANDARD.decode(text).ok()).is_some_and(|der| der == self.der);
        }
        let is_for_signatures = key.get("use").is_none_or(|it| it == "sig");
        let is_same = |(name, value): (&String, &Value)| key.get(name) == Some(value);
        let own = self.public_key();
        is_for_signatures
            && own.as_ref().and_then(Value::as_object).is_some_and(|own| own.iter().all(is_same))
    }

    /// Its key as a JSON Web Key; `None` for kinds that clients do not register here.
    fn public_key(&self) -> Option<Value> {
        const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
        const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        let info = self.read.tbs_certificate().subject_public_key_info();
        let bytes = info.subject_public_key.as_bytes()?;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match info.algorithm.oid {
            EC => {
                let curve: ObjectIdentifier = info.algorithm.parameters.as_ref()?.decode_as().ok()?;
                // SEC 1 §2.3.3: both coordinates, as they are.
                let (x, y) = bytes.strip_prefix(&[4])?.split_at_checked(32)?;
                (curve == P256).then(|| json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) }))
            }
            ED25519 => Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": text(bytes) })),
            RSA => {
                // RFC 8017 §A.1.1: RSAPublicKey.
                let (n, e) = SliceReader::new(bytes)
                    .and_then(|mut reader| {
                        reader.sequence(|reader| {
                            let number = UintRef::decode(reader)?;
                            Ok::<_, x509_cert::der::Error>((number, UintRef::decode(reader)?))
                        })
                    })
                    .ok()?;
                Some(json!({ "kty": "RSA", "n": text(n.as_bytes()), "e": text(e.as_bytes()) }))
            }
            _ => None,
        }
    }

    /// Whether it names its holder so (RFC 8705 §2.1.2).
    #[must_use]
    pub fn is_named(&self, name: &CertificateName<'_>) -> bool {
        if let CertificateName::Subject(subject) = name {
            return self.read.tbs_certificate().subject().to_string() == subject.0;
        }
        let named = self.read.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
        named.is_some_and(|(_, named)| named.0.iter().any(|it| is_same_name(name, it)))
    }
}

fn is_same_name(name: &CertificateName<'_>, found: &GeneralName) -> bool {
    match (name, found) {
        // RFC 4343: letters of either case are the same.
        (CertificateName::Dns(name), GeneralName::DnsName(found)) => {
            found.as_str().eq_ignore_ascii_case(name)
        }
        (CertificateName::Uri(name), GeneralName::UniformResourceIdentifier(found)) => {
            found.as_str() == *name
        }
        (CertificateName::Email(name), GeneralName::Rfc822Name(found)) => found.as_str() == *name,
        (CertificateName::Ip(IpAddr::V4(name)), GeneralName::IpAddress(found)) => {
            found.as_bytes() == name.octets()
        }
        (CertificateName::Ip(IpAddr::V6(name)), GeneralName::IpAddress(found)) => {
            found.as_bytes() == name.octets()
        }
        _ => false,
    }
}

/// What a certificate has to say of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName<'a> {
    Subject(&'a DistinguishedName),
    Dns(&'a str),
    Uri(&'a str),
    Ip(IpAddr),
    Email(&'a str),
}

/// A distinguished name in the form of RFC 4514, in the one way in which this server writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistinguishedName(String);

/// The text is no distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be a distinguished name such as CN=app,O=Example,C=DE (RFC 4514), without blanks after the commas"
)]
pub struct InvalidDistinguishedName;

impl TryFrom<String> for DistinguishedName {
    type Error = InvalidDistinguishedName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let name: Name = text.parse().map_err(|_| InvalidDistinguishedName)?;
        Ok(Self(name.to_string()))
    }
}

impl From<DistinguishedName> for String {
    fn from(name: DistinguishedName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of its own key, and that key as the library has it.
    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (ClientCertificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let made =
            rcgen::CertificateParams::new(["app.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        (ClientCertificate::read(made.der().to_vec(), Vec::new()).unwrap(), key)
    }

    #[test]
    fn a_certificate_is_known_by_its_key() {
        let kinds: [(&'static rcgen::SignatureAlgorithm, &str); 3] = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "EC"),
            (&rcgen::PKCS_ED25519, "OKP"),
            (&rcgen::PKCS_RSA_SHA256, "RSA"),
        ];
        for (algorithm, kind) in kinds {
            let ((one, _), (other, _)) = (made(algorithm), made(algorithm));
            let key = one.public_key().unwrap();
            assert_eq!(key["kty"], kind);
            assert!(one.is_of(&key) && !other.is_of(&key), "{kind}");
            let with = |name: &str, value: Value| {
                let mut key = key.clone();
                key[name] = value;
                key
            };
            assert!(!one.is_of(&with("use", json!("enc"))), "{kind}");
            let chain = |it: &ClientCertificate| json!([STANDARD.encode(it.der())]);
            assert!(one.is_of(&with("x5c", chain(&one))), "{kind}");
            assert!(
                !one.is_of(&with("x5c", chain(&other))),
                "RFC 8705 §2.2.2: that certificate and no other"
            );
            assert!(!one.is_of(&with("x5c", json!([]))) && !one.is_of(&json!({ "kty": kind })), "{kind}");
        }
        let (large, _) = made(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert!(large.public_key().is_none() && !large.is_of(&json!({})));
    }

    #[test]
    fn a_distinguished_name_has_one_form() {
        let name = |text: &str| DistinguishedName::try_from(text.to_owned()).map(String::from);
        for (text, written) in [
            ("CN=app,O=Example Ltd,C=DE", "CN=app,O=Example Ltd,C=DE"),
            (
                r#"CN=Jim \"the\" Smith\, III,DC=example,DC=net"#,
                r#"CN=Jim \"the\" Smith\, III,DC=example,DC=net"#,
            ),
            ("2.5.4.3=app", "CN=app"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(written), "{text}");
        }
        for text in ["", "app", "CN", "XX=app", "CN=app,", "CN=app, O=Example"] {
            assert_eq!(name(text), Err(InvalidDistinguishedName), "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let (good, _) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let longer = [good.der(), &[0]].concat();
        let (shorter, _) = good.der().split_at(good.der().len() - 1);
        for der in [&b""[..], b"rubbish", &longer, shorter] {
            assert!(ClientCertificate::read(der.to_vec(), Vec::new()).is_err());
        }
    }
}
