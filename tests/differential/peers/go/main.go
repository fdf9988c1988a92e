// SPDX-License-Identifier: Apache-2.0

// Google's verifiers as peers (tests/differential): go-sev-guest, go-tdx-guest, and go-tpm-tools.
//
//	peer snp|tdx|tpm
//
// One job a line on standard input, as JSON; one answer a line: {"id":..., "accept":..., "why":...}. Nothing is fetched: what a
// library would ask a vendor for is in the job.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

type answer struct {
	ID     string `json:"id"`
	Accept bool   `json:"accept"`
	Why    string `json:"why"`
}

// Bytes in hexadecimal.
type octets []byte

func (o *octets) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	raw, err := hex.DecodeString(*s)
	*o = raw
	return err
}

// A verifier that panics has not accepted.
func guarded(f func(json.RawMessage) error, job json.RawMessage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f(job)
}

func main() {
	peers := map[string]func(json.RawMessage) error{"snp": snp, "tdx": tdx, "tpm": tpm}
	if len(os.Args) != 2 || peers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer snp|tdx|tpm")
		os.Exit(2)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var head struct{ ID string }
		if err := json.Unmarshal(in.Bytes(), &head); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		a := answer{ID: head.ID, Accept: true}
		if err := guarded(peers[os.Args[1]], in.Bytes()); err != nil {
			a.Accept, a.Why = false, fmt.Sprintf("%.200s", err)
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
	if in.Err() != nil {
		fmt.Fprintln(os.Stderr, in.Err())
		os.Exit(1)
	}
}
