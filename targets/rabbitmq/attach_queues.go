package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// AMQP does not list queues. So the run's first queue, called Objects, holds the
// names of all others of the run, each noted before it is declared.

// Form makes the run's first queue through the first node, and waits until every
// node shows it. Before, it looks whether all nodes serve, and changes nothing if
// one does not.
func (s *Attached) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.made.Begin()
	if len(nodes) == 0 {
		return errors.New("look at the deployment: there are no nodes")
	}
	err := kit.Insist(ctx, kit.LookEvery, s.patience, func(ctx context.Context) error {
		return kit.Each(nodes, func(i int) error {
			if err := s.serves(ctx, &s.operators, nodes[i]); err != nil {
				return fmt.Errorf("%s at %s: %w", nodes[i].Name, kit.ServerAddress(nodes[i], s.port), kit.Unanswered(err))
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("look at the deployment: %w", err)
	}
	if err := use(ctx, &s.operators, nodes[0], kit.DefaultTimeout, s.makeFirst); err != nil {
		return fmt.Errorf("make the run's first queue on %s: %w", nodes[0].Name, s.login.forbidden(err))
	}
	err = kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, kit.LookEvery, "wait until "+nodes[i].Name+" shows the run's first queue", func() error {
			return use(ctx, &s.operators, nodes[i], kit.LookTimeout, func(c *Client) error { return c.waitAcked(s.objects) })
		})
	})
	if err != nil {
		return err
	}
	return kit.Each(nodes, func(i int) error { return s.firstTold(ctx, nodes[i]) })
}

// firstTold waits until a node has told who leads, where it can be asked.
func (s *Attached) firstTold(ctx context.Context, n *cluster.Node) error {
	_, err := s.told.fresh(ctx, n)
	if errors.Is(err, cluster.ErrCannot) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask %s by rabbitmqctl who leads: %w", n.Name, err)
	}
	return kit.Retry(ctx, kit.LookEvery, "wait until "+n.Name+" tells who leads", func() error {
		if s.told.role(n) == nil {
			return errors.New("it has not answered")
		}
		return nil
	})
}

// makeFirst tries all that a run does, on its first queue.
func (s *Attached) makeFirst(c *Client) error {
	q, err := c.ch.QueueDeclare(s.objects, true, false, false, false, s.of.arguments())
	if refused := (*amqp.Error)(nil); err == nil || !errors.As(err, &refused) || !refused.Server {
		s.made.Something() // whatever became of it, where the server does not refuse it
	}
	if err != nil {
		return err
	}
	if q.Messages > 0 {
		return fmt.Errorf("%s is there already: an earlier run left it: aftershock clean", s.objects)
	}
	if err := s.publish(c, ""); err != nil {
		return err
	}
	message, found, err := c.ch.Get(s.objects, false)
	if err == nil && !found {
		err = errors.New("a message that it took is not there")
	}
	if err != nil {
		return err
	}
	if err := message.Ack(false); err != nil {
		return err
	}
	return c.waitAcked(s.objects)
}

// publish notes a name in the run's first queue.
func (s *Attached) publish(c *Client, name string) error {
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(name)}
	confirm, err := c.ch.PublishWithDeferredConfirm("", s.objects, false, false, message)
	if err != nil {
		return err
	}
	if confirm == nil { // the plan wants no confirmations: the same queue's answer shows as much
		return c.waitAcked(s.objects)
	}
	<-confirm.Done() // it is done, too, when the connection ends
	if !confirm.Acked() {
		return fmt.Errorf("the server does not confirm a message to %s: %w", s.objects, amqp.ErrClosed)
	}
	return nil
}

// note notes a queue's name before it is declared, once.
func (s *Attached) note(c *Client, name string) error {
	s.noting.Lock()
	known := slices.Contains(s.names, name)
	s.noting.Unlock()
	if known {
		return nil
	}
	if err := s.publish(c, name); err != nil {
		return err
	}
	s.noting.Lock()
	defer s.noting.Unlock()
	s.names = append(s.names, name)
	return nil
}

// Remove deletes the run's queues through the first node that answers, its first
// one last. After a Form that came to make none there is nothing to do.
func (s *Attached) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.made.None() {
		return nil
	}
	err := errors.New("there are no nodes")
	for _, n := range nodes {
		if err = s.remove(ctx, n); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("remove the queues %s…: %w", s.objects, s.login.forbidden(err))
}

func (s *Attached) remove(ctx context.Context, n *cluster.Node) error {
	c, err := s.byOperator(ctx, n)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer stop()
	s.noting.Lock()
	names := slices.Clone(s.names)
	s.noting.Unlock()
	for { // unacknowledged ones are put back when the connection ends
		message, found, err := c.ch.Get(s.objects, false)
		if found && err == nil {
			names = append(names, string(message.Body))
			continue
		}
		var said *amqp.Error
		if errors.As(err, &said) && said.Server && said.Code == amqp.NotFound { // the channel has ended with it
			if c.ch, err = c.conn.Channel(); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		break
	}
	slices.Sort(names)
	for _, name := range append(slices.Compact(names), s.objects) {
		if objects, ok := isRuns(name); !ok || objects != s.objects {
			continue // it was not this run that noted it
		}
		if _, err := c.ch.QueueDelete(name, false, false, false); err != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return nil
}

// Left lists what other runs have left. Only rabbitmqctl tells it.
func (s *Attached) Left(ctx context.Context, nodes []*cluster.Node) ([]string, error) {
	err := errors.New("there are no nodes")
	for _, n := range nodes {
		var names []string
		if names, err = s.told.queues(ctx, n, runs); err != nil {
			continue
		}
		var left []string
		for _, name := range names {
			if objects, ok := isRuns(name); ok && objects != s.objects {
				left = append(left, objects)
			}
		}
		slices.Sort(left)
		return slices.Compact(left), nil
	}
	if errors.Is(err, errNoWay) {
		err = fmt.Errorf("%w: look for them with rabbitmqctl list_queues -p %q", err, s.login.vhost(""))
	}
	return nil, fmt.Errorf("look for queues %s…: %w", runs, err)
}
