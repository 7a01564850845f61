// Judges bytes as CometBFT does that receives them: one line in for each message, its kind and its hex; one line out,
// "ok" with the SHA-256 of the message as CometBFT writes it again, or "refused: " and why.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"
)

type message interface{ ValidateBasic() error }

// Reads a message and checks it as every place does that takes one from a peer; returns what it is written as again.
func judge(kind string, bytes []byte) (proto.Message, error) {
	switch kind {
	case "block":
		var pb cmtproto.Block
		if err := proto.Unmarshal(bytes, &pb); err != nil {
			return nil, err
		}
		block, err := types.BlockFromProto(&pb)
		if err != nil {
			return nil, err
		}
		if err := valid(block); err != nil {
			return nil, err
		}
		return block.ToProto()
	case "header":
		var pb cmtproto.Header
		if err := proto.Unmarshal(bytes, &pb); err != nil {
			return nil, err
		}
		header, err := types.HeaderFromProto(&pb)
		if err != nil {
			return nil, err
		}
		return header.ToProto(), valid(header)
	case "commit":
		var pb cmtproto.Commit
		if err := proto.Unmarshal(bytes, &pb); err != nil {
			return nil, err
		}
		commit, err := types.CommitFromProto(&pb)
		if err != nil {
			return nil, err
		}
		return commit.ToProto(), valid(commit)
	case "extendedCommit":
		var pb cmtproto.ExtendedCommit
		if err := proto.Unmarshal(bytes, &pb); err != nil {
			return nil, err
		}
		commit, err := types.ExtendedCommitFromProto(&pb)
		if err != nil {
			return nil, err
		}
		return commit.ToProto(), valid(commit)
	case "evidence":
		var pb cmtproto.Evidence
		if err := proto.Unmarshal(bytes, &pb); err != nil {
			return nil, err
		}
		evidence, err := types.EvidenceFromProto(&pb)
		if err != nil {
			return nil, err
		}
		if err := valid(evidence); err != nil {
			return nil, err
		}
		return types.EvidenceToProto(evidence)
	}
	return nil, fmt.Errorf("no kind %q", kind)
}

func valid(value message) error { return value.ValidateBasic() }

func verdict(line string) (text string) {
	defer func() {
		if reason := recover(); reason != nil {
			text = fmt.Sprintf("refused: panic: %v", reason)
		}
	}()
	kind, digits, _ := strings.Cut(line, " ")
	bytes, err := hex.DecodeString(digits)
	if err != nil {
		return "refused: " + err.Error()
	}
	again, err := judge(kind, bytes)
	if err != nil {
		return "refused: " + err.Error()
	}
	written, err := proto.Marshal(again)
	if err != nil {
		return "refused: " + err.Error()
	}
	return fmt.Sprintf("ok %x", sha256.Sum256(written))
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		fmt.Fprintln(out, strings.ReplaceAll(verdict(lines.Text()), "\n", " "))
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
