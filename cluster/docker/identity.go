package docker

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// identity is what a container or a network of ours says of itself. Labels alone
// prove nothing: `docker commit` hands them on to whatever is made of the image.
type identity struct {
	run, launch string
	mark        owner.Mark
}

// launchOK is a launch's id, as crypto/rand.Text makes it.
var launchOK = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// networkName is the name of a run's network, and what those of its containers
// begin with.
func networkName(run string) string { return "aftershock-" + run }

func nodeContainer(run, node string) string { return networkName(run) + "-" + node }

// labels are those of all that a launch makes.
func (i identity) labels() map[string]string {
	return map[string]string{
		labelRun: i.run, labelLaunch: i.launch, labelLock: i.mark.Lock, labelBoot: i.mark.Boot, labelOwner: i.mark.String(),
	}
}

// identify reads the labels of something that the engine calls by that name; it
// tells false if they do not agree with each other, with the name and with where
// a run has its lock.
func identify(name string, labels map[string]string) (identity, bool) {
	i := identity{run: labels[labelRun], launch: labels[labelLaunch]}
	if !runOK.MatchString(i.run) || !launchOK.MatchString(i.launch) {
		return identity{}, false
	}
	want := networkName(i.run)
	if node, ok := labels[labelNode]; ok {
		want = nodeContainer(i.run, node)
	}
	var err error
	if i.mark, err = owner.Parse(labels[labelOwner]); err != nil {
		return identity{}, false
	}
	agree := (name == want || labels[labelVictim] != "" && isWord(name, want)) && labels[labelLock] == i.mark.Lock && labels[labelBoot] == i.mark.Boot &&
		filepath.Base(filepath.Dir(i.mark.Lock)) == i.run
	return i, agree
}

// identifyContainer is identify for a container, which has a node's label. Links
// of other containers give it further names.
func identifyContainer(c container.Summary) (identity, bool) {
	if _, ok := c.Labels[labelNode]; !ok {
		return identity{}, false
	}
	for _, name := range c.Names {
		if i, ok := identify(strings.TrimPrefix(name, "/"), c.Labels); ok {
			return i, true
		}
	}
	return identity{}, false
}
