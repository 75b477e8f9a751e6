package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// remedied has a command's errors of usage tell what to write: cobra's own name what
// is wrong alone.
func remedied(command *cobra.Command) *cobra.Command {
	if args := command.Args; args != nil {
		command.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return fmt.Errorf("%w; usage: %s", err, c.UseLine())
			}
			return nil
		}
	}
	command.SetFlagErrorFunc(flagError)
	return command
}

func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	switch {
	case errors.As(err, &unknown):
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near, ok := spelling.Nearest(unknown.GetSpecifiedName(), known); ok {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
		return fmt.Errorf("%w; `%s --help` tells those that there are", err, c.CommandPath())
	case errors.As(err, &invalid) && errors.As(err, &number):
		return fmt.Errorf("--%s cannot be %q; it is a number (%s)", invalid.GetFlag().Name, invalid.GetValue(), invalid.GetFlag().Value.Type())
	}
	return err
}
