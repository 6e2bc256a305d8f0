// Checks one of our receipts with a library that is not ours (torchwood's reader of C2SP tlog-proof).
//
//	check_receipt KEY-FILE RECEIPT-FILE [WITNESS-KEY]
//
// The entry is the one that the receipt carries. Exits 1 and says why when it does not hold.
package main

import (
	"fmt"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(args []string) error {
	vkey, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	receipt, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(verifier.Name()),
		torchwood.SingleVerifierPolicy(verifier))
	if len(args) > 2 {
		witness, err := torchwood.NewCosignatureVerifier(args[2])
		if err != nil {
			return err
		}
		policy = torchwood.ThresholdPolicy(2, policy, torchwood.SingleVerifierPolicy(witness))
	}
	entry, err := torchwood.ProofExtraData(receipt)
	if err != nil {
		return err
	}
	return torchwood.VerifyProof(policy, tlog.RecordHash(entry), receipt)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: check_receipt KEY-FILE RECEIPT-FILE [WITNESS-KEY]")
		os.Exit(2)
	}
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "check_receipt:", err)
		os.Exit(1)
	}
	fmt.Println("good")
}
