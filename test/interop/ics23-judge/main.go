// Judges state proofs with the Go implementation of ICS-23: JSON lines {root, key, value, proof} in,
// all hex, "value" null for an absent key; one line "ok" or "refused" out for each.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	ics23 "github.com/cosmos/ics23/go"
)

type question struct {
	Root  string  `json:"root"`
	Key   string  `json:"key"`
	Value *string `json:"value"`
	Proof string  `json:"proof"`
}

func unhex(text string) []byte {
	bytes, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return bytes
}

func judge(q question) bool {
	proof := &ics23.CommitmentProof{}
	if err := proof.Unmarshal(unhex(q.Proof)); err != nil {
		return false
	}
	if q.Value == nil {
		return ics23.VerifyNonMembership(ics23.SmtSpec, unhex(q.Root), proof, unhex(q.Key))
	}
	return ics23.VerifyMembership(ics23.SmtSpec, unhex(q.Root), proof, unhex(q.Key), unhex(*q.Value))
}

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 1<<20), 1<<20)
	for scanner.Scan() {
		var q question
		if err := json.Unmarshal(scanner.Bytes(), &q); err != nil {
			panic(err)
		}
		if judge(q) {
			fmt.Println("ok")
		} else {
			fmt.Println("refused")
		}
	}
}
