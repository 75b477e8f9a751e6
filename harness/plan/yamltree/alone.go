package yamltree

import "strings"

// Alone reads one value that is in no file, such as an override's list or map. All of
// it stands at a place; the path is for errors.
func Alone(text string, at Place, path string) (*Node, *Error) {
	file := &File{Name: at.Set, Lines: strings.Split(text, "\n")}
	trees, found := file.Parse([]byte(text))
	if len(found) > 0 {
		return nil, file.At(at, path, found[0].Message, found[0].Remedy)
	}
	if len(trees) != 1 {
		return nil, file.At(at, path, "it is not one value", "write one list or map in brackets")
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
