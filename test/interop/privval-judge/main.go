// Either end of the remote signer's protocol, by CometBFT's own library.
//
//	privval-judge sign ADDRESS CHAIN KEY_FILE STATE_FILE   a signer that dials a node
//	privval-judge ask ADDRESS CHAIN                        a node that listens and asks its signer
//
// "ask" signs a proposal, a prevote and a precommit with an extension, verifies each with CometBFT's
// rules, asks for a double sign, and prints one line per answer.
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/crypto/tmhash"
	"github.com/cometbft/cometbft/libs/log"
	cmtnet "github.com/cometbft/cometbft/libs/net"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

func main() {
	if len(os.Args) == 6 && os.Args[1] == "sign" {
		sign(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "ask" {
		ask(os.Args[2], os.Args[3])
		return
	}
	fail(fmt.Errorf("see the head of main.go for how to call it"))
}

func sign(address, chain, keyFile, stateFile string) {
	key := privval.LoadOrGenFilePV(keyFile, stateFile)
	protocol, place := cmtnet.ProtocolAndAddress(address)
	dialer := privval.DialUnixFn(place)
	if protocol == "tcp" {
		dialer = privval.DialTCPFn(place, 5*time.Second, ed25519.GenPrivKey())
	}
	endpoint := privval.NewSignerDialerEndpoint(log.NewNopLogger(), dialer)
	server := privval.NewSignerServer(endpoint, chain, key)
	must(server.Start())
	fmt.Printf("%X\n", key.Key.PubKey.Bytes())
	// Until the test closes our standard input.
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func ask(address, chain string) {
	listener, err := privval.NewSignerListener(address, log.NewNopLogger())
	must(err)
	client, err := privval.NewSignerClient(listener, chain)
	must(err)
	must(client.WaitForConnection(20 * time.Second))
	key, err := client.GetPubKey()
	must(err)
	fmt.Printf("key %X\n", key.Bytes())

	block := blockID("block")
	now := time.Unix(1_700_000_000, 5).UTC()
	proposal := types.NewProposal(5, 0, -1, block)
	proposal.Timestamp = now
	wire := proposal.ToProto()
	must(client.SignProposal(chain, wire))
	report("proposal", key.VerifySignature(types.ProposalSignBytes(chain, wire), wire.Signature))

	prevote := vote(cmtproto.PrevoteType, key, block, now)
	must(client.SignVote(chain, prevote))
	report("prevote", verifies(chain, prevote, key, false))

	precommit := vote(cmtproto.PrecommitType, key, block, now)
	precommit.Extension = []byte("extension")
	must(client.SignVote(chain, precommit))
	report("precommit with extension", verifies(chain, precommit, key, true))

	// The same at another time is answered with the signature of then.
	again := vote(cmtproto.PrecommitType, key, block, now.Add(time.Second))
	again.Extension = []byte("extension")
	must(client.SignVote(chain, again))
	same := bytes.Equal(again.Signature, precommit.Signature) && again.Timestamp.Equal(now)
	report("same vote later", same && verifies(chain, again, key, true))

	other := vote(cmtproto.PrecommitType, key, blockID("other"), now)
	fmt.Printf("double sign: %v\n", client.SignVote(chain, other))
	stranger := vote(cmtproto.PrecommitType, key, block, now)
	fmt.Printf("other chain: %v\n", client.SignVote("other-chain", stranger))
	must(client.Ping())
	report("ping", true)
}

func vote(kind cmtproto.SignedMsgType, key crypto.PubKey, block types.BlockID, at time.Time) *cmtproto.Vote {
	wire := block.ToProto()
	return &cmtproto.Vote{
		Type: kind, Height: 5, Round: 0, BlockID: wire, Timestamp: at,
		ValidatorAddress: key.Address(), ValidatorIndex: 0,
	}
}

func verifies(chain string, wire *cmtproto.Vote, key crypto.PubKey, isExtended bool) bool {
	signed, err := types.VoteFromProto(wire)
	must(err)
	if isExtended {
		return signed.VerifyVoteAndExtension(chain, key) == nil
	}
	return signed.Verify(chain, key) == nil
}

func blockID(name string) types.BlockID {
	return types.BlockID{
		Hash:          tmhash.Sum([]byte(name)),
		PartSetHeader: types.PartSetHeader{Total: 1, Hash: tmhash.Sum([]byte(name + " parts"))},
	}
}

func report(what string, holds bool) {
	fmt.Printf("%s: %v\n", what, holds)
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
