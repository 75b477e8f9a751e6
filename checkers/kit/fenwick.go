package kit

// Fenwick counts, of numbers from 0 to len-2, how many are below a bound, in
// logarithmic time (Fenwick, 1994).
type Fenwick []int32

func (t Fenwick) Add(x int) {
	for i := x + 1; i < len(t); i += i & -i {
		t[i]++
	}
}

func (t Fenwick) Below(x int) int {
	n := 0
	for i := x; i > 0; i -= i & -i {
		n += int(t[i])
	}
	return n
}
