// The peer of bench/log: Tessera's POSIX driver in the same closed loop. Each writer adds one entry, waits until Tessera
// has it durably (its future gives the index), adds the next; a checkpoint each second.
//
//	log_peer -dir D -writers N -seconds S [-defaults]
//
// Its batch is as large as there are writers, so that it is written as soon as all of them wait; -defaults leaves its own
// settings (256 entries, 250 ms): which is better depends on the number of writers. Prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	origin       = "bench.example/log"
	batchMaxAge  = 5 * time.Millisecond // for the last writers of a round
	pushbackMost = 8192
)

// The entry that our side appends, of the same size: a read of a recording.
const entryForm = `{"actor":"3f6c1d20a4b94be7","at":%d,"data":{"given":1200,"kinds":[1,2,3],"purpose":"playback",` +
	`"ranges":[[0,1200,1800],[1,1200,1800]],"reason_hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},` +
	`"subject":"8d0a52b1c6e34f7a9b1e2d3c4f5a6b7c","type":"opened","v":1}`

type row struct {
	Writers   int     `json:"writers"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	Bytes     int     `json:"entry_bytes"`
	Version   string  `json:"version"`
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/transparency-dev/tessera" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func open(ctx context.Context, dir string, writers int, defaults bool) (*tessera.Appender, func(context.Context) error, error) {
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, nil, err
	}
	secret, _, err := note.GenerateKey(nil, origin)
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, nil, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).
		WithPushback(pushbackMost)
	if !defaults {
		options = options.WithBatching(uint(writers), batchMaxAge)
	}
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, options)
	return appender, shutdown, err
}

func loop(ctx context.Context, appender *tessera.Appender, stop *atomic.Bool, waits *[]float64) error {
	for !stop.Load() {
		begun := time.Now()
		entry := fmt.Appendf(nil, entryForm, begun.UnixMilli())
		if _, err := appender.Add(ctx, tessera.NewEntry(entry))(); err != nil {
			return err
		}
		*waits = append(*waits, float64(time.Since(begun).Nanoseconds())/1e6)
	}
	return nil
}

func main() {
	dir := flag.String("dir", "", "a folder that is not there yet, on the disk to be measured")
	writers := flag.Int("writers", 64, "")
	seconds := flag.Float64("seconds", 5, "")
	defaults := flag.Bool("defaults", false, "Tessera's own batching")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx := context.Background()
	appender, shutdown, err := open(ctx, *dir, *writers, *defaults)
	if err != nil {
		log.Fatal(err)
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	waits := make([][]float64, *writers)
	began := time.Now()
	for i := range *writers {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := loop(ctx, appender, &stop, &waits[i]); err != nil {
				log.Fatal(err)
			}
		}()
	}
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	stop.Store(true)
	group.Wait()
	spent := time.Since(began).Seconds()
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	var all []float64
	for _, one := range waits {
		all = append(all, one...)
	}
	sort.Float64s(all)
	part := func(share float64) float64 { return all[int(share*float64(len(all)-1))] }
	out := row{*writers, float64(len(all)) / spent, part(0.5), part(0.99), all[len(all)-1],
		len(fmt.Sprintf(entryForm, time.Now().UnixMilli())), version()}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}
