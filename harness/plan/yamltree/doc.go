// Package yamltree reads YAML into trees whose every value knows its place, within bounds
// of size, depth and number, and tells mistakes with their places. It knows nothing of
// plans.
package yamltree
