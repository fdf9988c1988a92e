// SPDX-License-Identifier: Apache-2.0
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-tdx-guest/pcs"
	"github.com/google/go-tdx-guest/verify"
)

type tdxJob struct {
	Quote               octets
	Now                 int64
	Root                octets
	TCBInfo, QEIdentity octets
	Signer              []octets // of both, with the root
	PCKCRL, RootCRL     octets
	PCKChain            []octets // of the PCK's authority, with the root
}

// What it would fetch, by address.
type collateral struct{ j *tdxJob }

func chainHeader(ders []octets) string {
	var text strings.Builder
	for _, der := range ders {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	// It wants nothing behind the last line.
	return url.QueryEscape(text.String())
}

func (c collateral) Get(at string) (map[string][]string, []byte, error) {
	body, head := octets(nil), map[string][]string{}
	switch {
	case strings.Contains(at, "/tcb"):
		body, head[pcs.TcbInfoIssuerChainPhrase] = c.j.TCBInfo, []string{chainHeader(c.j.Signer)}
	case strings.Contains(at, "/qe/identity"):
		body, head[pcs.SgxQeIdentityIssuerChainPhrase] = c.j.QEIdentity, []string{chainHeader(c.j.Signer)}
	case strings.Contains(at, "pckcrl"):
		body, head[pcs.SgxPckCrlIssuerChainPhrase] = c.j.PCKCRL, []string{chainHeader(c.j.PCKChain)}
	default:
		body = c.j.RootCRL
	}
	if len(body) == 0 {
		return nil, nil, errors.New("there is none")
	}
	return head, body, nil
}

func tdx(raw json.RawMessage) error {
	var j tdxJob
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	now := time.Unix(j.Now, 0)
	options := &verify.Options{
		CheckRevocations: true,
		GetCollateral:    true,
		Getter:           collateral{&j},
		Now:              &verify.TimeSet{PckCertChain: now, TcbInfo: now, QeIdentity: now, PckCrl: now, RootCaCrl: now},
	}
	if len(j.Root) > 0 {
		root, err := x509.ParseCertificate(j.Root)
		if err != nil {
			return err
		}
		options.TrustedRoots = x509.NewCertPool()
		options.TrustedRoots.AddCert(root)
	}
	return verify.RawTdxQuote(j.Quote, options)
}
