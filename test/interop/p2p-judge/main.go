// A node of CometBFT's own p2p package with peer exchange and nothing else. Arguments: chain id, file of
// the address book, and a peer to dial, if any. Its first line out is its address and how many its book
// holds; for each line in, it says again how many. It ends, and saves its book, when standard input does. It
// dials nobody from the book.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/pex"
)

func main() {
	network, file := os.Args[1], os.Args[2]
	key := &p2p.NodeKey{PrivKey: ed25519.GenPrivKey()}
	address, err := p2p.NewNetAddressString(p2p.IDAddressString(key.ID(), freeAddress()))
	check(err)

	options := config.DefaultP2PConfig()
	options.AllowDuplicateIP = true
	options.MaxNumOutboundPeers = 0
	info := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(8, 11, 1),
		DefaultNodeID:   key.ID(),
		ListenAddr:      address.DialString(),
		Network:         network,
		Version:         "0.38.25",
		Channels:        []byte{pex.PexChannel},
		Moniker:         "judge",
		Other:           p2p.DefaultNodeInfoOther{TxIndex: "on"},
	}
	logger := log.NewNopLogger()
	transport := p2p.NewMultiplexTransport(info, *key, p2p.MConnConfig(options))
	check(transport.Listen(*address))
	book := pex.NewAddrBook(file, true)
	book.SetLogger(logger)
	reactor := pex.NewReactor(book, &pex.ReactorConfig{})
	reactor.SetLogger(logger)
	node := p2p.NewSwitch(options, transport)
	node.SetLogger(logger)
	node.SetNodeKey(key)
	node.SetNodeInfo(info)
	node.SetAddrBook(book)
	node.AddReactor("PEX", reactor)
	check(node.Start())
	fmt.Printf("%v %d\n", address, book.Size())
	if len(os.Args) > 3 {
		check(node.AddPersistentPeers(os.Args[3:]))
		check(node.DialPeersAsync(os.Args[3:]))
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fmt.Println(book.Size())
	}
	check(node.Stop())
	check(transport.Close())
	book.Save()
}

// An address of this machine that was free a moment ago.
func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	return listener.Addr().String()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
