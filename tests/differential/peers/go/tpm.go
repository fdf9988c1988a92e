// SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/json"

	tpmpb "github.com/google/go-tpm-tools/proto/tpm"
	"github.com/google/go-tpm-tools/quote"
	"github.com/google/go-tpm/legacy/tpm2"
)

type tpmJob struct {
	Quote, Signature, Key octets
	Bank                  uint16
	PCRs                  map[uint32]octets
	Nonce                 octets
}

// What go-tpm-tools/server does for each quote, once it trusts the key. (The server package itself needs a version of go-eventlog that
// module proxies don't have.)
func tpm(raw json.RawMessage) error {
	var j tpmJob
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	public, err := tpm2.DecodePublic(j.Key)
	if err != nil {
		return err
	}
	key, err := public.Key()
	if err != nil {
		return err
	}
	values := map[uint32][]byte{}
	for i, v := range j.PCRs {
		values[i] = v
	}
	return quote.Verify(&tpmpb.Quote{
		Quote:  j.Quote,
		RawSig: j.Signature,
		Pcrs:   &tpmpb.PCRs{Hash: tpmpb.HashAlgo(j.Bank), Pcrs: values},
	}, key, j.Nonce)
}
