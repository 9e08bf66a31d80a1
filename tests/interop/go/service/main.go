// A service that access tokens open: GET /orders, for apps that may read orders.
//
//	ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 go run ./service
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

var (
	issuer, audience = os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	keys             keyfunc.Keyfunc
)

type claims struct {
	jwt.RegisteredClaims
	Scope  string `json:"scope"`
	Status struct {
		List *struct {
			Index int    `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	} `json:"status"`
	Key json.RawMessage `json:"cnf"`
	// Of a status list.
	TTL  int `json:"ttl"`
	List struct {
		Packed string `json:"lst"`
	} `json:"status_list"`
}

// verified gives the claims of a JWT of this type that is good here.
func verified(raw, typ string, wanted ...jwt.ParserOption) (*claims, error) {
	found := new(claims)
	wanted = append(wanted, jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second),
		jwt.WithValidMethods([]string{"ES256", "EdDSA", "RS256"}))
	token, err := jwt.ParseWithClaims(raw, found, keys.Keyfunc, wanted...)
	if err == nil && token.Header["typ"] != typ {
		err = fmt.Errorf("not of type %s", typ)
	}
	return found, err
}

func orders(answer http.ResponseWriter, request *http.Request) {
	refuse := func(status int, challenge string) {
		if challenge != "" {
			answer.Header().Set("WWW-Authenticate", challenge)
		}
		answer.WriteHeader(status)
	}
	scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		refuse(http.StatusUnauthorized, "Bearer")
		return
	}
	access, err := verified(token, "at+jwt", jwt.WithAudience(audience))
	over := false
	if err == nil && access.Key != nil { // Only a service that asks for a proof of the key (DPoP) may take it.
		err = errors.New("it is bound to a key")
	}
	if err == nil && access.Status.List != nil {
		over, err = ended(access.Status.List.URI, access.Status.List.Index)
	}
	switch {
	case errors.Is(err, errLater): // That says nothing about the token.
		refuse(http.StatusServiceUnavailable, "")
	case err != nil || over:
		refuse(http.StatusUnauthorized, `Bearer error="invalid_token"`)
	case !slices.Contains(strings.Fields(access.Scope), "orders:read"):
		refuse(http.StatusForbidden, `Bearer error="insufficient_scope", scope="orders:read"`)
	default:
		answer.Header().Set("Content-Type", "application/json")
		json.NewEncoder(answer).Encode(map[string]any{"reader": access.Subject, "orders": []string{}})
	}
}

func main() {
	var err error
	if keys, err = keyfunc.NewDefault([]string{issuer + "/.well-known/jwks.json"}); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /orders", orders)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
