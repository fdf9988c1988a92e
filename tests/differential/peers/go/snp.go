// SPDX-License-Identifier: Apache-2.0
package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

type snpFloor struct{ BL, TEE, SNP, Ucode uint8 }

func (f snpFloor) parts() kds.TCBParts {
	return kds.TCBParts{BlSpl: f.BL, TeeSpl: f.TEE, SnpSpl: f.SNP, UcodeSpl: f.Ucode}
}

type snpJob struct {
	Report  octets
	Leaf    octets
	ASK     octets
	VLEK    bool
	Product string
	CRL     octets
	Now     int64
	// what our policy asks for, as far as there is an option for it; nothing else is judged
	Policy *struct {
		ABIMajor, ABIMinor          uint8
		SMT                         bool
		Measurement, HostData, Chip octets
		ReportData                  octets
		MinTCB, MinLaunchTCB        snpFloor
		Version                     uint16
		Build                       uint8
		GuestSVN                    uint32
		VMPL                        int
		Provisional                 bool
	}
}

// What it would fetch.
type recorded []byte

func (r recorded) Get(string) ([]byte, error) {
	if len(r) == 0 {
		return nil, errors.New("there is no revocation list")
	}
	return r, nil
}

func snp(raw json.RawMessage) error {
	var j snpJob
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	if len(j.Report) != abi.ReportSize {
		return errors.New("no report")
	}
	report, err := abi.ReportToProto(j.Report)
	if err != nil {
		return err
	}
	roots, err := trust.GetDefaultRootCerts(j.Product)
	if err != nil {
		return err
	}
	// A set of its own: the library keeps a list that it has seen.
	own := trust.AMDRootCertsProduct(j.Product)
	own.ProductCerts = &trust.ProductCerts{Ark: roots.ProductCerts.Ark, Ask: roots.ProductCerts.Ask, Asvk: roots.ProductCerts.Asvk}
	issuer := &own.ProductCerts.Ask
	if j.VLEK {
		issuer = &own.ProductCerts.Asvk
	}
	if len(j.ASK) > 0 { // the one that came with the evidence
		if *issuer, err = x509.ParseCertificate(j.ASK); err != nil {
			return err
		}
	}
	if *issuer == nil {
		return errors.New("no issuer of the report's certificate")
	}
	chain := &spb.CertificateChain{AskCert: (*issuer).Raw, ArkCert: roots.ProductCerts.Ark.Raw}
	if j.VLEK {
		chain.VlekCert = j.Leaf
	} else {
		chain.VcekCert = j.Leaf
	}
	product, err := kds.ParseProductLine(j.Product)
	if err != nil {
		return err
	}
	attestation := &spb.Attestation{Report: report, CertificateChain: chain, Product: product}
	if err := verify.SnpAttestation(attestation, &verify.Options{
		CheckRevocations:    len(j.CRL) > 0,
		DisableCertFetching: true,
		Getter:              recorded(j.CRL),
		Now:                 time.Unix(j.Now, 0),
		TrustedRoots:        map[string][]*trust.AMDRootCerts{j.Product: {own}},
		Product:             product,
	}); err != nil {
		return err
	}
	if j.Policy == nil {
		return nil
	}
	p := j.Policy
	return validate.SnpAttestation(attestation, &validate.Options{
		GuestPolicy:      abi.SnpPolicy{ABIMajor: p.ABIMajor, ABIMinor: p.ABIMinor, SMT: p.SMT, SingleSocket: false},
		Measurement:      p.Measurement,
		HostData:         p.HostData,
		ChipID:           p.Chip,
		ReportData:       p.ReportData,
		MinimumTCB:       p.MinTCB.parts(),
		MinimumLaunchTCB: p.MinLaunchTCB.parts(),
		MinimumVersion:   p.Version,
		MinimumBuild:     p.Build,
		MinimumGuestSvn:  p.GuestSVN,
		VMPL:             &p.VMPL,

		PermitProvisionalFirmware: p.Provisional,
	})
}
