// A CometBFT node over its own key-value application, whose votes carry extensions and which can be
// told to be at odds with the others: what the recordings of test/vectors/go-nodes are made of.
//
// It is CometBFT's command line (`start --home H`); two environment variables set the application:
//
//	CAPTURE_EXTENSIONS  text that this validator's vote extensions begin with; without it they are empty
//	CAPTURE_REJECT      n: refuse the first proposal of every height that n divides; 0 or absent: none
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cometbft/cometbft/abci/example/kvstore"
	abci "github.com/cometbft/cometbft/abci/types"
	cmd "github.com/cometbft/cometbft/cmd/cometbft/commands"
	cfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/cli"
	"github.com/cometbft/cometbft/libs/log"
	nm "github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
)

type application struct {
	*kvstore.Application
	extension string
	reject    int64
	rejected  int64
}

// Where 3 divides the height nobody extends its vote; elsewhere those do whom it was told to.
func (app *application) ExtendVote(_ context.Context, req *abci.RequestExtendVote) (*abci.ResponseExtendVote, error) {
	if app.extension == "" || req.Height%3 == 0 {
		return &abci.ResponseExtendVote{}, nil
	}
	text := fmt.Sprintf("%s at %d of %X", app.extension, req.Height, req.Hash)
	// One extension of some size.
	if req.Height%5 == 0 {
		text += strings.Repeat(" again", 200)
	}
	return &abci.ResponseExtendVote{VoteExtension: []byte(text)}, nil
}

func (app *application) VerifyVoteExtension(context.Context, *abci.RequestVerifyVoteExtension) (*abci.ResponseVerifyVoteExtension, error) {
	return &abci.ResponseVerifyVoteExtension{Status: abci.ResponseVerifyVoteExtension_ACCEPT}, nil
}

func (app *application) ProcessProposal(ctx context.Context, req *abci.RequestProcessProposal) (*abci.ResponseProcessProposal, error) {
	if app.reject > 0 && req.Height%app.reject == 0 && req.Height > app.rejected {
		app.rejected = req.Height
		return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
	}
	return app.Application.ProcessProposal(ctx, req)
}

func newNode(config *cfg.Config, logger log.Logger) (*nm.Node, error) {
	reject, err := strconv.ParseInt("0"+os.Getenv("CAPTURE_REJECT"), 10, 64)
	if err != nil {
		return nil, err
	}
	app := &application{
		Application: kvstore.NewPersistentApplication(config.DBDir()),
		extension:   os.Getenv("CAPTURE_EXTENSIONS"),
		reject:      reject,
	}
	app.SetGenBlockEvents()
	nodeKey, err := p2p.LoadOrGenNodeKey(config.NodeKeyFile())
	if err != nil {
		return nil, err
	}
	return nm.NewNode(config,
		privval.LoadOrGenFilePV(config.PrivValidatorKeyFile(), config.PrivValidatorStateFile()),
		nodeKey,
		proxy.NewLocalClientCreator(app),
		nm.DefaultGenesisDocProviderFunc(config),
		cfg.DefaultDBProvider,
		nm.DefaultMetricsProvider(config.Instrumentation),
		logger,
	)
}

func main() {
	root := cmd.RootCmd
	root.AddCommand(cmd.NewRunNodeCmd(newNode), cmd.InitFilesCmd, cmd.VersionCmd)
	if err := cli.PrepareBaseCmd(root, "CMT", "").Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
