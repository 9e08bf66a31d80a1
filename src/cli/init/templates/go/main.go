package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

var (
	issuer, audience = os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	port             = cmp.Or(os.Getenv("PORT"), "3000")
	baseURL          = cmp.Or(os.Getenv("BASE_URL"), "http://localhost:"+port)

	provider *oidc.Provider
	config   oauth2.Config
	sessions sync.Map // A table of your database.
)

// A session is what is known of a browser, by its cookie.
type session struct {
	id, state, nonce, verifier, next string
	user                             *user
	idToken                          string
	tokens                           oauth2.TokenSource // It refreshes what has expired.
}

type user struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

func main() {
	var err error
	if provider, err = oidc.NewProvider(context.Background(), issuer); err != nil {
		log.Fatal(err)
	}
	config = oauth2.Config{
		ClientID:     os.Getenv("CLIENT_ID"),
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		Endpoint:     provider.Endpoint(),
		RedirectURL:  baseURL + "/callback",
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email"},
	}
	http.HandleFunc("GET /{$}", home)
	http.HandleFunc("GET /profile", profile)
	http.HandleFunc("GET /sign-in", signIn)
	http.HandleFunc("GET /callback", callback)
	http.HandleFunc("GET /sign-out", signOut)
	http.HandleFunc("GET /api/hello", protected(hello))
	log.Printf("The app is at %s", baseURL)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func home(answer http.ResponseWriter, request *http.Request) {
	show(answer, "home", map[string]any{"User": current(request).user})
}

// Whoever is not signed in is sent to sign in first, and comes back here.
func profile(answer http.ResponseWriter, request *http.Request) {
	login := current(request)
	if login.user == nil {
		http.Redirect(answer, request, "/sign-in?next=/profile", http.StatusFound)
		return
	}
	said, err := oauth2.NewClient(request.Context(), login.tokens).Get(baseURL + "/api/hello")
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.ErrorCode == "invalid_grant" { // The login was ended meanwhile.
		sessions.Delete(login.id)
		http.Redirect(answer, request, "/sign-in?next=/profile", http.StatusFound)
		return
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadGateway)
		return
	}
	defer said.Body.Close()
	text, _ := io.ReadAll(said.Body)
	show(answer, "profile", map[string]any{"User": login.user, "Answer": string(text)})
}

func signIn(answer http.ResponseWriter, request *http.Request) {
	begun := &session{id: rand.Text(), state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), next: "/"}
	if request.FormValue("next") == "/profile" {
		begun.next = "/profile"
	}
	keep(answer, begun)
	resource := oauth2.SetAuthURLParam("resource", audience)
	url := config.AuthCodeURL(begun.state, oidc.Nonce(begun.nonce), oauth2.S256ChallengeOption(begun.verifier), resource)
	http.Redirect(answer, request, url, http.StatusFound)
}

func callback(answer http.ResponseWriter, request *http.Request) {
	begun := current(request)
	if begun.state == "" || request.FormValue("state") != begun.state {
		http.Error(answer, "This browser did not begin this sign-in.", http.StatusForbidden)
		return
	}
	if refusal := request.FormValue("error"); refusal != "" {
		http.Error(answer, refusal, http.StatusForbidden)
		return
	}
	login, err := exchanged(request.Context(), begun, request.FormValue("code"))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusForbidden)
		return
	}
	sessions.Delete(begun.id)
	keep(answer, login)
	http.Redirect(answer, request, begun.next, http.StatusFound)
}

func exchanged(ctx context.Context, begun *session, code string) (*session, error) {
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(begun.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if verified.Nonce != begun.nonce {
		return nil, errors.New("another sign-in's ID token")
	}
	login := &session{id: rand.Text(), user: new(user), idToken: raw}
	login.tokens = config.TokenSource(context.Background(), token)
	return login, verified.Claims(login.user)
}

func signOut(answer http.ResponseWriter, request *http.Request) {
	login := current(request)
	sessions.Delete(login.id)
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		http.Error(answer, err.Error(), http.StatusBadGateway)
		return
	}
	leaving := url.Values{"id_token_hint": {login.idToken}, "post_logout_redirect_uri": {baseURL + "/"}}
	http.Redirect(answer, request, metadata.EndSession+"?"+leaving.Encode(), http.StatusFound)
}

func current(request *http.Request) *session {
	if cookie, err := request.Cookie("session"); err == nil {
		if found, ok := sessions.Load(cookie.Value); ok {
			return found.(*session)
		}
	}
	return new(session)
}

func keep(answer http.ResponseWriter, it *session) {
	sessions.Store(it.id, it)
	http.SetCookie(answer, &http.Cookie{
		Name: "session", Value: it.id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(baseURL, "https:"),
	})
}

func show(answer http.ResponseWriter, name string, values any) {
	answer.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pages.ExecuteTemplate(answer, name, values); err != nil {
		log.Print(err)
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "home"}}<!doctype html><title>App</title>
{{with .User}}<h1>Hello, {{.Name}}</h1>
<p><a href="/profile">Profile</a> <a href="/sign-out">Sign out</a>
{{else}}<h1>Hello</h1>
<p><a href="/sign-in">Sign in</a>
{{end}}{{end}}

{{define "profile"}}<!doctype html><title>App</title>
<h1>Profile</h1>
<p>{{.User.Name}}, {{.User.Email}}
<p>The API says: <output>{{.Answer}}</output>
<p><a href="/">Home</a> <a href="/sign-out">Sign out</a>{{end}}
`))
