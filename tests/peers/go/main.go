// SPDX-License-Identifier: Apache-2.0

// An Oblivious HTTP peer that isn't Cloister's: both roles over github.com/openpcc/ohttp, for tests.
//
//	peer client URL KEYS plain|chunked KEM AEAD API-KEY <request.json
//	peer gateway KEM AEAD... [unchunked]
//
// The client takes the application/ohttp-keys list in hex, uses its key of that KEM, posts standard input as a chat request, and prints
// the inner status, content type, and body. The gateway makes a key, prints {"port": N, "keys": HEX}, and answers chat
// requests with their own last message, word by word; with "unchunked" in one piece, which this implementation
// then sends unchunked even to a client that asked in chunks.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/cloudflare/circl/hpke"
	"github.com/openpcc/ohttp"
	"github.com/openpcc/ohttp/encoding/bhttp"
)

var kems = map[string]hpke.KEM{"x25519": hpke.KEM_X25519_HKDF_SHA256, "x-wing": hpke.KEM_XWING}

var aeads = map[string]hpke.AEAD{
	"aes-128-gcm":       hpke.AEAD_AES128GCM,
	"aes-256-gcm":       hpke.AEAD_AES256GCM,
	"chacha20-poly1305": hpke.AEAD_ChaCha20Poly1305,
}

// What the other side may send in one chunk (draft-ietf-ohai-chunked-ohttp section 3); this implementation's default is less.
const chunkMax = 16384

// The key of this KEM, narrowed to this AEAD.
func choose(list, kem, aead string) (ohttp.KeyConfig, error) {
	var configs ohttp.KeyConfigs
	raw, err := hex.DecodeString(list)
	if err == nil {
		err = configs.UnmarshalBinary(raw)
	}
	if err != nil {
		return ohttp.KeyConfig{}, err
	}
	for _, c := range configs {
		for _, a := range c.SymmetricAlgorithms {
			if c.KemID == kems[kem] && a.KDFID == hpke.KDF_HKDF_SHA256 && a.AEADID == aeads[aead] {
				c.SymmetricAlgorithms = []ohttp.SymmetricAlgorithm{a}
				return c, nil
			}
		}
	}
	return ohttp.KeyConfig{}, errors.New("no such key is offered")
}

func client(url, list, form, kem, aead, key string) error {
	config, err := choose(list, kem, aead)
	if err != nil {
		return err
	}
	transport, err := ohttp.NewTransport(config, url)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "https://ohttp.invalid/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	if form == "chunked" {
		req.ContentLength = -1
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Printf("%d\n%s\n", resp.StatusCode, resp.Header.Get("Content-Type"))
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

type chat struct {
	Stream   bool
	Messages []struct{ Content string }
}

func event(w io.Writer, delta map[string]string, finish any) {
	b, _ := json.Marshal(map[string]any{"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}})
	fmt.Fprintf(w, "data: %s\n\n", b)
}

// Answers a chat request with its last message. Flushing is what makes this implementation answer in chunks.
func echo(flush bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c chat
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" ||
			json.NewDecoder(r.Body).Decode(&c) != nil || !c.Stream || len(c.Messages) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range strings.SplitAfter("echo: "+c.Messages[len(c.Messages)-1].Content, " ") {
			event(w, map[string]string{"content": word}, nil)
			if f, ok := w.(http.Flusher); ok && flush {
				f.Flush()
			}
		}
		event(w, map[string]string{}, "stop")
		io.WriteString(w, "data: [DONE]\n\n")
	}
}

func gateway(kem string, rest []string) error {
	flush := rest[len(rest)-1] != "unchunked"
	public, secret, err := kems[kem].Scheme().GenerateKeyPair()
	if err != nil {
		return err
	}
	config := ohttp.KeyConfig{KeyID: 7, KemID: kems[kem], PublicKey: public}
	for _, name := range rest {
		if aead, ok := aeads[name]; ok {
			config.SymmetricAlgorithms = append(config.SymmetricAlgorithms,
				ohttp.SymmetricAlgorithm{KDFID: hpke.KDF_HKDF_SHA256, AEADID: aead})
		}
	}
	decoder, err := bhttp.NewRequestDecoder(bhttp.MaxRequestChunkLen(chunkMax))
	if err != nil {
		return err
	}
	// Cloister's clients name no host: the gateway itself is the target.
	g, err := ohttp.NewGateway(ohttp.KeyPair{SecretKey: secret, KeyConfig: config},
		ohttp.WithRequestDecoder(decoder), ohttp.WithRequestValidator(nil))
	if err != nil {
		return err
	}
	list, err := ohttp.KeyConfigs{config}.MarshalBinary()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"port\": %d, \"keys\": \"%x\"}\n", l.Addr().(*net.TCPAddr).Port, list)
	return http.Serve(l, ohttp.Middleware(g, echo(flush)))
}

func main() {
	err := errors.New("usage: peer client URL KEYS plain|chunked KEM AEAD API-KEY | peer gateway KEM AEAD... [unchunked]")
	switch a := os.Args[1:]; {
	case len(a) == 7 && a[0] == "client":
		err = client(a[1], a[2], a[3], a[4], a[5], a[6])
	case len(a) >= 3 && a[0] == "gateway":
		err = gateway(a[1], a[2:])
	}
	if err != nil {
		log.Fatal(err)
	}
}
