#!/usr/bin/env bash
# github.com/MicahParks/keyfunc/v3 v3.9.2 (Go module, beside github.com/golang-jwt/jwt/v5 v5.3.1): the key set that
# NewDefault gives is fetched again when a token names a key that it does not hold, at most once in five minutes. Whoever
# sends a token that names no key of the issuer's uses that one fetch up. A key that the issuer publishes a moment later is
# then not asked for: a good token that it signed is refused, with the error of a set that cannot be fetched in time. Without
# the stranger's token the same key is found at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > go.mod <<'MOD'
module example.com/finding

go 1.26.0

require (
	github.com/MicahParks/keyfunc/v3 v3.9.2
	github.com/golang-jwt/jwt/v5 v5.3.1
)
MOD
cat > main.go <<'GO'
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

type key struct {
	kid     string
	private *ecdsa.PrivateKey
}

func newKey(kid string) key {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return key{kid, private}
}

func (key key) public() map[string]string {
	x, y := make([]byte, 32), make([]byte, 32)
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key.kid,
		"x": encode(key.private.X.FillBytes(x)), "y": encode(key.private.Y.FillBytes(y))}
}

func (key key) token() string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "somebody"})
	token.Header["kid"] = key.kid
	signed, _ := token.SignedString(key.private)
	return signed
}

// story starts an issuer with one key, and a service that trusts it; the issuer then publishes another key.
func story(name string, aStrangerComesFirst bool) {
	first, second, stranger := newKey("first"), newKey("second"), newKey("stranger")
	published, asked := []key{first}, 0
	issuer := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		asked++
		keys := []map[string]string{}
		for _, key := range published {
			keys = append(keys, key.public())
		}
		json.NewEncoder(answer).Encode(map[string]any{"keys": keys})
	}))
	defer issuer.Close()
	keys, err := keyfunc.NewDefault([]string{issuer.URL})
	if err != nil {
		panic(err)
	}
	judge := func(key key) string {
		if _, err := jwt.Parse(key.token(), keys.Keyfunc, jwt.WithValidMethods([]string{"ES256"})); err != nil {
			return "refused"
		}
		return "taken"
	}
	fmt.Printf("%s: the first key's token is %s\n", name, judge(first))
	if aStrangerComesFirst {
		fmt.Printf("%s: the stranger's token is %s\n", name, judge(stranger))
	}
	published = append(published, second)
	fmt.Printf("%s: the second key's token is %s\n", name, judge(second))
	fmt.Printf("%s: the keys were asked for %d times\n", name, asked)
}

func main() {
	story("alone", false)
	story("after a stranger", true)
}
GO
go mod tidy > tidy.log 2>&1
go run . > output
cat output
printf '%s\n' "alone: the first key's token is taken" "alone: the second key's token is taken" \
  "alone: the keys were asked for 2 times" "after a stranger: the first key's token is taken" \
  "after a stranger: the stranger's token is refused" "after a stranger: the second key's token is refused" \
  "after a stranger: the keys were asked for 2 times" > expected
diff expected output
echo "as described"
