package orders;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.InflaterInputStream;
import org.springframework.security.authentication.AuthenticationServiceException;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;

/** Refuses tokens whose login was ended: the status list says so. A list is asked for again when its ttl is over. */
record StatusLists(String issuer, JwtDecoder decoder, HttpClient http, Map<String, Known> lists)
        implements OAuth2TokenValidator<Jwt> {
    private static final OAuth2TokenValidatorResult REFUSED =
            OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "Its login was ended", null));

    private record Known(byte[] bytes, Instant next, Instant exp) {}

    StatusLists(String issuer, JwtDecoder decoder) {
        this(issuer, decoder, HttpClient.newHttpClient(), new ConcurrentHashMap<>());
    }

    @Override
    public OAuth2TokenValidatorResult validate(Jwt token) {
        Map<String, Object> status = token.getClaimAsMap("status");
        if (status == null || !(status.get("status_list") instanceof Map<?, ?> entry)) {
            return OAuth2TokenValidatorResult.success();
        }
        String uri = (String) entry.get("uri");
        if (!uri.startsWith(issuer + "/")) return REFUSED;
        long index = ((Number) entry.get("idx")).longValue();
        byte[] bytes = lists.compute(uri, this::current).bytes();
        boolean ended = index >= 8L * bytes.length || (bytes[(int) (index >> 3)] >> (index & 7) & 1) == 1;
        return ended ? REFUSED : OAuth2TokenValidatorResult.success();
    }

    private Known current(String uri, Known known) {
        Instant now = Instant.now();
        if (known != null && now.isBefore(known.next())) return known;
        try {
            return fetch(uri, now);
        } catch (Exception error) { // The list that is here is good until its exp.
            if (known != null && now.isBefore(known.exp())) return new Known(known.bytes(), now.plusSeconds(1), known.exp());
            throw new AuthenticationServiceException("the issuer cannot be asked", error);
        }
    }

    private Known fetch(String uri, Instant now) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(uri)).timeout(Duration.ofSeconds(5)).build();
        Jwt list = decoder.decode(http.send(request, BodyHandlers.ofString()).body());
        if (!uri.equals(list.getSubject())) throw new IOException("another list");
        byte[] packed = Base64.getUrlDecoder().decode((String) list.getClaimAsMap("status_list").get("lst"));
        byte[] bytes = new InflaterInputStream(new ByteArrayInputStream(packed)).readNBytes(1 << 20);
        Instant next = list.getIssuedAt().plusSeconds(((Number) list.getClaim("ttl")).longValue());
        return new Known(bytes, next.isAfter(now) ? next : now.plusSeconds(1), list.getExpiresAt());
    }
}
