package process

import "testing"

func TestOOMKills(t *testing.T) {
	for text, want := range map[string]int{
		"low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n": 1, "nr_free_pages 5\noom_kill 12\ndrop_pagecache 0\n": 12,
		"": 0, "oom 4\n": 0, "oom_kill many\n": 0,
	} {
		if got := oomKills(text); got != want {
			t.Errorf("%q tells of %d, want %d", text, got, want)
		}
	}
}
