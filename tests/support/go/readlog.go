// Reads a log as a stranger would, with the code of Go's own checksum database (packages note and tlog):
//
//	readlog FOLDER < questions.json > answers.json
//
// It opens the checkpoint with the key given, reads every tile through tlog's authenticating reader, compares each
// entry with its leaf, checks the proofs it was handed and makes proofs of its own. Any disagreement ends it.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"readlog/note"
	"readlog/tlog"
)

type record struct {
	Index int64            `json:"index"`
	Size  int64            `json:"size"`
	Root  tlog.Hash        `json:"root"`
	Entry []byte           `json:"entry"`
	Proof tlog.RecordProof `json:"proof"`
}

type tree struct {
	Old     int64          `json:"old"`
	New     int64          `json:"new"`
	OldRoot tlog.Hash      `json:"old_root"`
	NewRoot tlog.Hash      `json:"new_root"`
	Proof   tlog.TreeProof `json:"proof"`
}

type questions struct {
	Key     string   `json:"key"`
	Records []record `json:"records"`
	Trees   []tree   `json:"trees"`
}

type answers struct {
	Origin  string   `json:"origin"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Entries int64    `json:"entries"`
	Records []record `json:"records"`
	Trees   []tree   `json:"trees"`
}

// folder reads tiles of height 8 by their names in c2sp.org/tlog-tiles.
type folder string

func (f folder) Height() int                     { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var contents [][]byte
	for _, tile := range tiles {
		content, err := f.read("tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func (f folder) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}

func (f folder) bundle(first, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(min(256, size-first))}
	content, err := f.read("tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
	var entries [][]byte
	for len(content) >= 2 {
		length := 2 + int(binary.BigEndian.Uint16(content))
		entries, content = append(entries, content[2:length]), content[length:]
	}
	if err == nil && (len(content) != 0 || len(entries) != tile.W) {
		err = fmt.Errorf("bundle %d has %d entries", tile.N, len(entries))
	}
	return entries, err
}

func main() {
	log := folder(os.Args[1])
	var asked questions
	check(json.NewDecoder(os.Stdin).Decode(&asked))
	head := open(log, asked.Key)
	size := head.Size
	root, err := tlog.ParseHash(head.Root)
	check(err)
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, log)
	for first := int64(0); first < size; first += 256 {
		entries, err := log.bundle(first, size)
		check(err)
		var places []int64
		for offset := range entries {
			places = append(places, tlog.StoredHashIndex(0, first+int64(offset)))
		}
		leaves, err := reader.ReadHashes(places)
		check(err)
		for offset, entry := range entries {
			expect(leaves[offset] == tlog.RecordHash(entry), "entry %d is not its leaf", first+int64(offset))
			head.Entries++
		}
	}
	for _, each := range asked.Records {
		leaf := tlog.RecordHash(each.Entry)
		check(tlog.CheckRecord(each.Proof, each.Size, each.Root, each.Index, leaf))
		each.Proof, err = tlog.ProveRecord(size, each.Index, reader)
		check(err)
		each.Size, each.Root = size, root
		head.Records = append(head.Records, each)
	}
	for _, each := range asked.Trees {
		check(tlog.CheckTree(each.Proof, each.New, each.NewRoot, each.Old, each.OldRoot))
		old, err := tlog.TreeHash(each.Old, reader)
		check(err)
		expect(old == each.OldRoot, "the first %d entries are others", each.Old)
		each.Proof, err = tlog.ProveTree(each.New, each.Old, reader)
		check(err)
		head.Trees = append(head.Trees, each)
	}
	check(json.NewEncoder(os.Stdout).Encode(head))
}

func open(log folder, key string) answers {
	verifier, err := note.NewVerifier(key)
	check(err)
	signed, err := log.read("checkpoint")
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	expect(len(lines) == 4 && lines[0] == verifier.Name(), "no checkpoint of %s", verifier.Name())
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	return answers{Origin: lines[0], Size: size, Root: lines[2]}
}

func check(err error) {
	expect(err == nil, "%v", err)
}

func expect(truth bool, format string, arguments ...any) {
	if !truth {
		fmt.Fprintf(os.Stderr, "readlog: "+format+"\n", arguments...)
		os.Exit(1)
	}
}
