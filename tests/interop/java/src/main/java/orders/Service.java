// A service that access tokens open: GET /orders, for apps that may read orders.
// ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 mvn spring-boot:run
package orders;

import jakarta.servlet.DispatcherType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.jwt.*;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Service {
    public static void main(String[] arguments) {
        SpringApplication.run(Service.class, arguments);
    }

    @GetMapping("/orders")
    Map<String, Object> orders(@AuthenticationPrincipal Jwt access) {
        return Map.of("reader", access.getSubject(), "orders", List.of());
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http) throws Exception {
        return http.authorizeHttpRequests(all -> all
                        // Else a list that cannot be had would be answered as a bad token.
                        .dispatcherTypeMatchers(DispatcherType.ERROR).permitAll()
                        .anyRequest().hasAuthority("SCOPE_orders:read"))
                .oauth2ResourceServer(server -> server
                        .jwt(Customizer.withDefaults())
                        .dPoP(Customizer.withDefaults()))
                .build();
    }

    @Bean
    JwtDecoder accessTokens(@Value("${issuer}") String issuer, @Value("${audience}") String audience) {
        return decoder(issuer, "at+jwt",
                new JwtClaimValidator<List<String>>("aud", all -> all != null && all.contains(audience)),
                new StatusLists(issuer, decoder(issuer, "statuslist+jwt")));
    }

    /** Finds the issuer's keys and their algorithms, and takes JWTs of this type. */
    @SafeVarargs
    private static JwtDecoder decoder(String issuer, String type, OAuth2TokenValidator<Jwt>... more) {
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).build();
        List<OAuth2TokenValidator<Jwt>> all = new ArrayList<>(List.of(more));
        all.add(0, new JwtTypeValidator(type));
        all.add(1, new JwtIssuerValidator(issuer));
        all.add(2, new JwtClaimValidator<>("exp", exp -> exp != null));
        decoder.setJwtValidator(JwtValidators.createDefaultWithValidators(all));
        return decoder;
    }
}
