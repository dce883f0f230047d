package operate

import (
	"context"
	"encoding/hex"
	"time"

	"newsletter/shared/ledger"
)

// The commands on the ledger.
var (
	LedgerHead   = read("ledger head", readHead)
	LedgerVerify = read("ledger verify", verifyLedger)
)

// LedgerEnd is the last seal.
type LedgerEnd struct {
	Hash string    `json:"hash"` // in hexadecimal
	To   time.Time `json:"to"`   // its end
}

func readHead(ctx context.Context, i *Installation, _ All) (LedgerEnd, error) {
	head, err := i.sealer.Head(ctx)
	if err == nil && head.Hash == nil {
		err = Failed("nothing is sealed yet: maintain seals the ledger every hour")
	}
	return LedgerEnd{hex.EncodeToString(head.Hash), head.To}, err
}

// KnownSeals names seals that the owner keeps elsewhere.
type KnownSeals struct {
	Hashes []string `json:"hashes,omitempty"` // in hexadecimal
}

// verifyLedger compares the whole ledger with its seals and their anchors. It reads about a million events a minute.
func verifyLedger(ctx context.Context, i *Installation, known KnownSeals) (report ledger.Report, err error) {
	var outside ledger.Outside
	for _, text := range known.Hashes {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != 32 {
			return report, Wrong("%q is not the hash of a seal, which has 64 hexadecimal digits", text)
		}
		outside.Known = append(outside.Known, hash)
	}
	if outside.Anchors, err = i.anchors.List(ctx); err != nil {
		return report, err
	}
	return i.sealer.Verify(ctx, outside)
}
