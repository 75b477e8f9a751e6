package yamltree

import "strings"

// Alone reads a list or a map in brackets that is in no file, or in it as text, such as
// an override's. All of it stands at one place; the path is for errors.
func (s *File) Alone(text string, at Place, path string) (*Node, *Error) {
	trees, found := (&File{Lines: strings.Split(text, "\n")}).Parse([]byte(text))
	if len(found) > 0 {
		return nil, s.At(at, path, found[0].Message, found[0].Remedy)
	}
	if len(trees) != 1 {
		return nil, s.At(at, path, "it is not one value", "write one list or map in brackets")
	}
	placed(trees[0].Root, at)
	return trees[0].Root, nil
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
