package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// The keys that tokens are signed with, fetched when the first token comes, and kept fresh from then on.
var keys = sync.OnceValues(func() (keyfunc.Keyfunc, error) {
	return keyfunc.NewDefaultCtx(context.Background(), []string{issuer + "/.well-known/jwks.json"})
})

// verified gives whom an access token for this API is about.
func verified(raw string) (string, error) {
	known, err := keys()
	if err != nil {
		return "", err
	}
	claims := new(jwt.RegisteredClaims)
	token, err := jwt.ParseWithClaims(raw, claims, known.Keyfunc, jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second), jwt.WithValidMethods([]string{"ES256", "EdDSA", "RS256"}))
	if err == nil && token.Header["typ"] != "at+jwt" {
		err = fmt.Errorf("not an access token")
	}
	return claims.Subject, err
}

// protected answers whoever shows an access token for this API, and no cookie.
func protected(handler func(http.ResponseWriter, string)) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "bearer") || token == "" {
			answer.Header().Set("WWW-Authenticate", "Bearer")
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		subject, err := verified(token)
		if err != nil {
			answer.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		handler(answer, subject)
	}
}

func hello(answer http.ResponseWriter, subject string) {
	json.NewEncoder(answer).Encode(map[string]string{"hello": subject})
}
