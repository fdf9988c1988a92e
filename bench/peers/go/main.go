// SPDX-License-Identifier: Apache-2.0

// How long go-sev-guest takes to verify an SEV-SNP report: bench/README.md says what is measured.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

// What it would fetch.
type recorded []byte

func (r recorded) Get(string) ([]byte, error) { return r, nil }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(os.Args[1], name))
	check(err)
	return b
}

// Of the processor, on all threads: what the garbage collector does beside is part of it.
func spent() time.Duration {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func main() {
	at, err := strconv.ParseInt(os.Args[2], 10, 64)
	check(err)
	rounds, err := strconv.Atoi(os.Args[3])
	check(err)
	report, vcek, crl := read("snp.report"), read("snp.vcek"), recorded(read("snp.crl"))
	roots, err := trust.GetDefaultRootCerts("Milan")
	check(err)
	options := &verify.Options{
		CheckRevocations:    true,
		DisableCertFetching: true,
		Getter:              crl,
		Now:                 time.Unix(at, 0),
		TrustedRoots:        map[string][]*trust.AMDRootCerts{"Milan": {roots}},
	}
	once := func() {
		r, err := abi.ReportToProto(report)
		check(err)
		check(verify.SnpAttestation(&spb.Attestation{
			Report:           r,
			CertificateChain: &spb.CertificateChain{VcekCert: vcek, AskCert: roots.ProductCerts.Ask.Raw, ArkCert: roots.ProductCerts.Ark.Raw},
			Product:          abi.DefaultSevProduct(),
		}, options))
	}
	for range 10 {
		once()
	}
	before := spent()
	for range rounds {
		once()
	}
	us := float64((spent() - before).Nanoseconds()) / 1e3 / float64(rounds)
	check(json.NewEncoder(os.Stdout).Encode(map[string]float64{"us": us}))
}
