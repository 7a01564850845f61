//go:build tools

// Package tools names the program that this module pins, so that `go mod tidy` keeps what it needs.
package tools

import (
	_ "github.com/ethereum/go-ethereum/cmd/geth"
)
