package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// logBytes is a log file of n records in two epochs.
func logBytes(n int) ([]byte, []int) {
	b := bytes.Clone(magic)
	ends := []int{len(b)}
	for i := range n {
		b = append(b, encodeFrame(uint64(1+i/3), uint64(i+1), opSet, []byte("key"), fmt.Appendf(nil, "value%d", i))...)
		ends = append(ends, len(b))
	}
	return b, ends
}

func TestTornTailIsCutAtEveryLength(t *testing.T) {
	whole, ends := logBytes(6)
	for n := len(magic); n <= len(whole); n++ {
		records := 0
		for records+1 < len(ends) && ends[records+1] <= n {
			records++
		}
		frames, end, err := readLog(whole[:n])
		if err != nil || len(frames) != records || end != int64(ends[records]) {
			t.Fatalf("%d bytes: %d records to %d, %v; want %d to %d", n, len(frames), end, err, records, ends[records])
		}
	}
}

func TestDamagedLastRecordIsATornTail(t *testing.T) {
	whole, ends := logBytes(4)
	for i := ends[3]; i < len(whole); i++ {
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		if frames, end, err := readLog(b); err != nil || len(frames) != 3 || end != int64(ends[3]) {
			t.Fatalf("byte %d: %d records to %d, %v", i, len(frames), end, err)
		}
	}
}

func TestDamagedMiddleIsAnError(t *testing.T) {
	whole, ends := logBytes(4)
	for i := range ends[3] {
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		_, _, err := readLog(b)
		if !errors.Is(err, errCorrupt) {
			t.Fatalf("byte %d: %v", i, err)
		}
		damaged := 0
		for _, end := range ends {
			if end <= i {
				damaged = end
			}
		}
		if want := fmt.Sprintf("offset %d:", damaged); !strings.Contains(err.Error(), want) {
			t.Fatalf("byte %d: %v does not name %s", i, err, want)
		}
	}
}

func TestOpenNamesTheCorruptFile(t *testing.T) {
	dir := t.TempDir()
	whole, ends := logBytes(4)
	whole[ends[1]+20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, logName), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := openWAL(dir, false)
	if !errors.Is(err, errCorrupt) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint(ends[1])) {
		t.Fatal(err)
	}
	// The failed open has let go of the directory.
	if err := os.WriteFile(filepath.Join(dir, logName), magic[:3], 0o644); err != nil {
		t.Fatal(err)
	}
	w, frames, err := openWAL(dir, false)
	if err != nil || len(frames) != 0 {
		t.Fatal(frames, err)
	}
	if _, _, err := openWAL(dir, false); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppendAfterTornTail(t *testing.T) {
	dir := t.TempDir()
	whole, ends := logBytes(3)
	if err := os.WriteFile(filepath.Join(dir, logName), whole[:ends[3]-2], 0o644); err != nil {
		t.Fatal(err)
	}
	w, frames, err := openWAL(dir, false)
	if err != nil || len(frames) != 2 {
		t.Fatal(len(frames), err)
	}
	if err := w.append([]frame{encodeFrame(1, 3, opDel, []byte("k"))}); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	w, frames, err = openWAL(dir, false)
	if err != nil || len(frames) != 3 || frames[2].index() != 3 {
		t.Fatal(len(frames), err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
}

func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epoch, index := rapid.Uint64().Draw(t, "epoch"), rapid.Uint64().Draw(t, "index")
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		args := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 2, 5).Draw(t, "args")
		o := op(rapid.IntRange(int(opNoop), int(opEnd)-1).Draw(t, "op"))
		f, rest, err := nextFrame(append(encodeFrame(epoch, index, o, key, args...), "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Fatal(rest, err)
		}
		r, err := f.decode(nil)
		if err != nil || r.epoch != epoch || r.index != index || r.op != o || !bytes.Equal(r.key, key) || len(r.args) != len(args) {
			t.Fatal(r, err)
		}
		for i := range args {
			if !bytes.Equal(r.args[i], args[i]) {
				t.Fatal(r.args, args)
			}
		}
	})
}

func FuzzReadLog(f *testing.F) {
	whole, ends := logBytes(4)
	f.Add(whole)
	f.Add(whole[:ends[2]+5])
	f.Add(append(bytes.Clone(whole[:ends[1]]), whole[ends[2]:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, end, err := readLog(data)
		if err != nil {
			if !errors.Is(err, errCorrupt) {
				t.Fatalf("%v does not wrap errCorrupt", err)
			}
			return
		}
		if end < int64(len(magic)) || end > int64(len(data)) {
			t.Fatalf("end %d of %d", end, len(data))
		}
		// What was read is what a log of these records holds, and reads again.
		again := bytes.Clone(magic)
		for i, fr := range frames {
			if fr.index() != uint64(i+1) {
				t.Fatalf("record %d has index %d", i, fr.index())
			}
			again = append(again, fr...)
		}
		if !bytes.Equal(again, data[:end]) {
			t.Fatal("the records are not the file's bytes")
		}
		state := newStore()
		for _, fr := range frames {
			r, err := fr.decode(nil)
			if err != nil {
				t.Fatal(err)
			}
			state.apply(&r)
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	fr := []frame{encodeFrame(1, 1, opSet, []byte("k"), []byte("v"))}
	f.Add(byte(msgRecords), appendRecords(nil, 7, fr)[msgHeader:])
	f.Add(byte(msgHeartbeat), heartbeat{1, 2, 3, 4}.append(nil)[msgHeader:])
	f.Add(byte(msgInSync), appendInSync(nil, 3)[msgHeader:])
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		m, err := decodeMessage(kind, body)
		if err != nil {
			return
		}
		var again []byte
		switch kind {
		case msgRecords:
			again = appendRecords(nil, m.committed, m.frames)
		case msgHeartbeat:
			again = m.heartbeat.append(nil)
		case msgInSync:
			again = appendInSync(nil, m.epoch)
		}
		if !bytes.Equal(again[msgHeader:], body) {
			t.Fatalf("%q reads as %+v", body, m)
		}
	})
}

// TestCommonPoint compares with two logs written out record by record.
func TestCommonPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Histories as they come about: each epoch's primary begins with a
		// prefix of some earlier epoch's log and appends.
		logs := [][]uint64{{}} // a log is the epoch of each record
		for epoch := uint64(1); epoch <= 5; epoch++ {
			from := logs[rapid.IntRange(0, len(logs)-1).Draw(t, "from")]
			cut := rapid.IntRange(0, len(from)).Draw(t, "cut")
			log := append([]uint64(nil), from[:cut]...)
			for range rapid.IntRange(1, 4).Draw(t, "appended") {
				log = append(log, epoch)
			}
			logs = append(logs, log)
		}
		pick := func() []uint64 {
			log := logs[rapid.IntRange(0, len(logs)-1).Draw(t, "log")]
			return log[:rapid.IntRange(0, len(log)).Draw(t, "length")]
		}
		a, b := pick(), pick()
		want := 0
		for want < len(a) && want < len(b) && a[want] == b[want] {
			want++
		}
		got := commonPoint(epochsOf(a), uint64(len(a)), epochsOf(b), uint64(len(b)))
		if got != uint64(want) {
			t.Fatalf("%v and %v agree up to %d, not %d", a, b, want, got)
		}
	})
}

func epochsOf(log []uint64) []epochStart {
	var e []epochStart
	for i, epoch := range log {
		if i == 0 || log[i-1] != epoch {
			e = append(e, epochStart{epoch, uint64(i + 1)})
		}
	}
	return e
}
