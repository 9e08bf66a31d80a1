package main

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type list struct {
	bytes     []byte
	next, exp time.Time
}

var (
	lists  = map[string]list{}
	lock   sync.Mutex
	client = http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	errLater = errors.New("the issuer cannot be asked")
)

// ended tells whether the status list says that the login is over. A list is asked for again when its ttl is.
func ended(uri string, index int) (bool, error) {
	lock.Lock()
	defer lock.Unlock()
	known := lists[uri]
	if now := time.Now(); !now.Before(known.next) {
		fetched, err := fetchList(uri)
		if err == nil {
			known = fetched
		} else if !errors.Is(err, errLater) || !now.Before(known.exp) {
			return false, err
		} else { // The list that is here is good until its exp.
			known.next = now.Add(time.Second)
		}
		lists[uri] = known
	}
	return index < 0 || index >= 8*len(known.bytes) || known.bytes[index>>3]>>(index&7)&1 == 1, nil
}

func fetchList(uri string) (list, error) {
	if !strings.HasPrefix(uri, issuer+"/") {
		return list{}, errors.New("a list of somebody else's")
	}
	answer, err := client.Get(uri)
	if err != nil {
		return list{}, errLater
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil || answer.StatusCode != http.StatusOK {
		return list{}, errLater
	}
	found, err := verified(string(raw), "statuslist+jwt", jwt.WithSubject(uri))
	if err != nil {
		return list{}, err
	}
	packed, _ := base64.RawURLEncoding.DecodeString(found.List.Packed)
	unpacked, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return list{}, err
	}
	bits, err := io.ReadAll(io.LimitReader(unpacked, 1<<20))
	next, soon := found.IssuedAt.Add(time.Duration(found.TTL)*time.Second), time.Now().Add(time.Second)
	if next.Before(soon) {
		next = soon
	}
	return list{bits, next, found.ExpiresAt.Time}, err
}
