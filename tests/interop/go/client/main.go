// A client that signs its user in, calls a service, refreshes and signs its user out.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

var lines = bufio.NewScanner(os.Stdin)

// visit sends the user's browser somewhere; it gives where it was sent in the end.
func visit(place string) *url.URL {
	fmt.Println("visit", place)
	lines.Scan()
	return must(url.Parse(lines.Text()))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx, api := context.Background(), oauth2.SetAuthURLParam("resource", os.Getenv("API"))
	provider := must(oidc.NewProvider(ctx, os.Getenv("ISSUER")))
	config := oauth2.Config{
		ClientID:     os.Getenv("CLIENT_ID"),
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		Endpoint:     provider.Endpoint(),
		RedirectURL:  os.Getenv("REDIRECT_URI"),
		Scopes:       []string{oidc.ScopeOpenID, "profile", "orders:read"},
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	callback := visit(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier), api)).Query()
	if callback.Get("state") != state {
		log.Fatal("the answer to another question")
	}
	token := must(config.Exchange(ctx, callback.Get("code"), oauth2.VerifierOption(verifier)))
	raw, _ := token.Extra("id_token").(string)
	user := must(provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw))
	if user.Nonce != nonce {
		log.Fatal("another sign-in's ID token")
	}

	call := func(token *oauth2.Token) {
		answer := must(oauth2.NewClient(ctx, oauth2.StaticTokenSource(token)).Get(os.Getenv("SERVICE")))
		var orders struct{ Reader string }
		if err := json.NewDecoder(answer.Body).Decode(&orders); err != nil || orders.Reader != user.Subject {
			log.Fatal(answer.Status, err)
		}
	}
	call(token)
	refreshed := must(config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token())
	call(refreshed)

	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		log.Fatal(err)
	}
	leaving := url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {os.Getenv("AFTERWARDS")}, "state": {"bye"}}
	if end := visit(metadata.EndSession + "?" + leaving.Encode()).String(); end != os.Getenv("AFTERWARDS")+"?state=bye" {
		log.Fatal(end)
	}
	_, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshed.RefreshToken}).Token()
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) || refusal.ErrorCode != "invalid_grant" || refusal.Response.StatusCode != http.StatusBadRequest {
		log.Fatal("the login goes on: ", err)
	}
	fmt.Println("done")
}
