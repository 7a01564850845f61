// Judges evidence with CometBFT's own pool: first a line with the chain, then one line of hex for each
// piece (tendermint.types.Evidence); for each one line out: "valid", or "invalid: " and why. A piece is
// judged by itself, as if it stood alone in the next block.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/evidence"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	sm "github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/types"
)

type heightData struct {
	Header     string  `json:"header"`
	Commit     *string `json:"commit"`
	Validators string  `json:"validators"`
}

type chain struct {
	ChainID     string       `json:"chainId"`
	MaxAge      int64        `json:"maxAgeBlocks"`
	MaxDuration int64        `json:"maxAgeNanos"`
	Heights     []heightData `json:"heights"`
}

// The blocks from height 1 on; the last has no commit, as in a block store.
type blocks struct {
	headers []types.Header
	commits []*types.Commit
}

func (b *blocks) LoadBlockMeta(height int64) *types.BlockMeta {
	if height < 1 || height > int64(len(b.headers)) {
		return nil
	}
	return &types.BlockMeta{Header: b.headers[height-1]}
}

func (b *blocks) LoadBlockCommit(height int64) *types.Commit {
	if height < 1 || height > int64(len(b.commits)) {
		return nil
	}
	return b.commits[height-1]
}

func (b *blocks) Height() int64 { return int64(len(b.headers)) }

// Only what the pool asks a state store for.
type states struct {
	sm.Store
	state      sm.State
	validators []*types.ValidatorSet
}

func (s *states) Load() (sm.State, error) { return s.state, nil }

func (s *states) LoadValidators(height int64) (*types.ValidatorSet, error) {
	if height < 1 || height > int64(len(s.validators)) {
		return nil, fmt.Errorf("no validators at %d", height)
	}
	return s.validators[height-1], nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func load(c chain) (*blocks, *states) {
	b, s := &blocks{}, &states{}
	for _, one := range c.Heights {
		var header cmtproto.Header
		check(header.Unmarshal(must(hex.DecodeString(one.Header))))
		b.headers = append(b.headers, must(types.HeaderFromProto(&header)))
		var set cmtproto.ValidatorSet
		check(set.Unmarshal(must(hex.DecodeString(one.Validators))))
		s.validators = append(s.validators, must(types.ValidatorSetFromProto(&set)))
		if one.Commit == nil {
			continue
		}
		var commit cmtproto.Commit
		check(commit.Unmarshal(must(hex.DecodeString(*one.Commit))))
		b.commits = append(b.commits, must(types.CommitFromProto(&commit)))
	}
	params := *types.DefaultConsensusParams()
	params.Evidence.MaxAgeNumBlocks = c.MaxAge
	params.Evidence.MaxAgeDuration = time.Duration(c.MaxDuration)
	last := b.headers[len(b.headers)-1]
	s.state = sm.State{
		ChainID:         c.ChainID,
		LastBlockHeight: last.Height,
		LastBlockTime:   last.Time,
		ConsensusParams: params,
	}
	return b, s
}

func judge(b *blocks, s *states, bytes []byte) (verdict string) {
	defer func() {
		if r := recover(); r != nil {
			verdict = fmt.Sprintf("panic: %v", r)
		}
	}()
	var proto cmtproto.Evidence
	if err := proto.Unmarshal(bytes); err != nil {
		return "invalid: " + err.Error()
	}
	piece, err := types.EvidenceFromProto(&proto)
	if err != nil {
		return "invalid: " + err.Error()
	}
	if err := piece.ValidateBasic(); err != nil {
		return "invalid: " + err.Error()
	}
	pool := must(evidence.NewPool(dbm.NewMemDB(), s, b))
	if err := pool.CheckEvidence(types.EvidenceList{piece}); err != nil {
		return "invalid: " + err.Error()
	}
	return "valid"
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	first := must(lines.ReadBytes('\n'))
	var c chain
	check(json.Unmarshal(first, &c))
	b, s := load(c)
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(make([]byte, 1<<20), 8<<20)
	for scanner.Scan() {
		verdict := judge(b, s, must(hex.DecodeString(scanner.Text())))
		if len(verdict) > 200 {
			verdict = verdict[:200]
		}
		fmt.Printf("%q\n", verdict)
	}
	check(scanner.Err())
}
