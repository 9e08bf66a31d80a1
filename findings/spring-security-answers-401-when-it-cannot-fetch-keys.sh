#!/usr/bin/env bash
# Spring Security 7.1.2 (Maven, by Spring Boot 4.1.2), a resource server as its pages configure it: when the keys of the
# issuer cannot be fetched nothing is known about a token, and the code inside knows that: it raises the error for a
# service that does not work, which the servlet container takes to the page for errors. That page is one more request that
# nobody has authenticated, so it is answered 401 with the challenge "Bearer", as if no token had come. A client that
# drops its tokens at 401 drops good ones while the issuer is down. With the dispatch of errors permitted to everybody the
# answer is 500.
set -euo pipefail
folder=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p src/main/java/finding
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId>
    <artifactId>spring-boot-starter-parent</artifactId>
    <version>4.1.2</version>
  </parent>
  <groupId>com.example</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <properties>
    <java.version>17</java.version>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.springframework.boot</groupId>
      <artifactId>spring-boot-starter-webmvc</artifactId>
    </dependency>
    <dependency>
      <groupId>org.springframework.boot</groupId>
      <artifactId>spring-boot-starter-security-oauth2-resource-server</artifactId>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.springframework.boot</groupId>
        <artifactId>spring-boot-maven-plugin</artifactId>
      </plugin>
    </plugins>
  </build>
</project>
XML
cat > src/main/java/finding/Finding.java <<'JAVA'
package finding;

import jakarta.servlet.DispatcherType;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;

@SpringBootApplication
public class Finding {
    public static void main(String[] arguments) {
        SpringApplication.run(Finding.class, arguments);
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http) throws Exception {
        boolean errorsForAll = System.getenv("ERRORS_FOR_ALL") != null;
        return http.authorizeHttpRequests(all -> {
                    if (errorsForAll) all.dispatcherTypeMatchers(DispatcherType.ERROR).permitAll();
                    all.anyRequest().authenticated();
                })
                .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()))
                .build();
    }
}
JAVA
mvn --quiet --batch-mode -Dmaven.test.skip=true package > build.log 2>&1 || { cat build.log; exit 1; }

# ask NAME: starts the service, whose issuer nobody can reach, and shows it a token.
ask() {
  java -jar target/finding-1.jar --server.port=0 --server.address=127.0.0.1 \
    --spring.security.oauth2.resourceserver.jwt.jwk-set-uri=http://127.0.0.1:1/keys > service.log 2>&1 &
  running=$!
  until port=$(sed -n 's/.*Tomcat started on port \([0-9]*\).*/\1/p' service.log) && [ -n "$port" ]; do
    kill -0 "$running"
    sleep 0.2
  done
  # {"alg":"RS256","kid":"k"} and {"sub":"somebody"}, with a signature that no key was found for yet.
  token=eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJzb21lYm9keSJ9.AAAA
  curl -s -o body -D head -H "Authorization: Bearer $token" "http://127.0.0.1:$port/"
  echo "$1: $(sed -n '1s/HTTP[^ ]* \([0-9]*\).*/\1/p' head), challenge: $(sed -n 's/^WWW-Authenticate: \([A-Za-z]*\).*/\1/ip' head | tr -d '\r')"
  kill "$running"
  wait "$running" 2>/dev/null || true
  running=
}
ask 'as configured' > output
ERRORS_FOR_ALL=yes ask 'errors for all' >> output
cat output
printf '%s\n' 'as configured: 401, challenge: Bearer' 'errors for all: 500, challenge: ' > expected
diff expected output
echo "as described"
