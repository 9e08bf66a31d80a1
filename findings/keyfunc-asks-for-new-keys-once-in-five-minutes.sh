#!/usr/bin/env bash
# github.com/MicahParks/keyfunc/v3 v3.9.2 (Go module, beside github.com/golang-jwt/jwt/v5 v5.3.1): the key set that
# NewDefault gives is fetched again when a token names a key that it does not hold, at most once in five minutes. An issuer
# that publishes another key after that one fetch, such as when it replaces two in a row, has the good tokens of the last
# one refused, with the error of a set that cannot be fetched in time, though nothing is asked of it any more.
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

// story starts an issuer with one key, and a service that trusts it; the issuer then publishes others, one after another.
func story(more ...string) {
	first, asked := newKey("first"), 0
	published := []key{first}
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
	judge := func(key key) {
		verdict := "taken"
		if _, err := jwt.Parse(key.token(), keys.Keyfunc, jwt.WithValidMethods([]string{"ES256"})); err != nil {
			verdict = "refused"
		}
		fmt.Printf("the %s key's token is %s, the keys were asked for %d times\n", key.kid, verdict, asked)
	}
	judge(first)
	for _, kid := range more {
		next := newKey(kid)
		published = append(published, next)
		judge(next)
	}
}

func main() {
	story("second", "third")
}
GO
go mod tidy > tidy.log 2>&1
go run . > output
cat output
printf '%s\n' "the first key's token is taken, the keys were asked for 1 times" \
  "the second key's token is taken, the keys were asked for 2 times" \
  "the third key's token is refused, the keys were asked for 2 times" > expected
diff expected output
echo "as described"
