package yamltree

import "strings"

// Bracketed tells whether a node is a list or a map in brackets that is still text.
func (n *Node) Bracketed() bool {
	return n.Kind == Scalar && n.Inline && (strings.HasPrefix(n.Text, "[") || strings.HasPrefix(n.Text, "{"))
}

// Open reads a bracketed node, where no text can stand: all of it stands at the node's
// place. What cannot be read has failed, which is told once; the path is for the error.
func (s *File) Open(n *Node, path string) *Error {
	if !n.Bracketed() {
		return nil
	}
	at := n.Place
	trees, found := (&File{Lines: strings.Split(n.Text, "\n")}).Parse([]byte(n.Text))
	*n = Node{Place: at, Kind: Failed}
	if len(found) > 0 {
		return s.At(at, path, found[0].Message, found[0].Remedy)
	}
	if len(trees) != 1 {
		return s.At(at, path, "it is not one value", "write one list or map in brackets")
	}
	placed(trees[0].Root, at)
	*n = *trees[0].Root
	return nil
}

// placed has a tree stand at a place, with all that it holds.
func placed(n *Node, at Place) {
	n.Place = at
	for i := range n.Keys {
		n.Keys[i].Place = at
		placed(n.Keys[i].Value, at)
	}
	for _, item := range n.Items {
		placed(item, at)
	}
}
