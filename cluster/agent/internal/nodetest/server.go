package nodetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// ServerSpec runs testServer.
var ServerSpec = cluster.ServerSpec{Command: []string{cluster.Self, "testserver"}}

// ServerPort is where testServer listens.
const ServerPort = 9000

// testServer answers lines over TCP: "ping"; "send ADDR" sends a datagram to
// port 9000 there; "got ADDR" tells how many datagrams came from there; "take N" reads
// N bytes and tells how many came; "time" tells the server's clock in nanoseconds.
func testServer() error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", ServerPort))
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", fmt.Sprintf(":%d", ServerPort))
	if err != nil {
		return err
	}
	var got [256]atomic.Int64 // by the last byte of the sender's address
	go func() {
		buf := make([]byte, 100)
		for {
			if _, from, err := packets.ReadFrom(buf); err == nil {
				got[from.(*net.UDPAddr).IP.To4()[3]].Add(1)
			}
		}
	}()
	fmt.Println("serving")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for reader := bufio.NewReaderSize(conn, 1<<16); ; {
				line, err := reader.ReadString('\n')
				if err != nil {
					return
				}
				word, addr, _ := strings.Cut(strings.TrimSpace(line), " ")
				answer := "pong"
				switch word {
				case "send":
					_, err := packets.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(addr), Port: ServerPort})
					answer = fmt.Sprint(err)
				case "time":
					answer = fmt.Sprint(time.Now().UnixNano())
				case "times": // how long so many looks at the clock take
					n, _ := strconv.Atoi(addr)
					began := time.Now()
					last := began
					for range n {
						last = time.Now()
					}
					answer = fmt.Sprint(last.Sub(began).Nanoseconds())
				case "got":
					answer = fmt.Sprint(got[net.ParseIP(addr).To4()[3]].Load())
				case "take":
					n, _ := strconv.ParseInt(addr, 10, 64)
					took, _ := io.CopyN(io.Discard, reader, n)
					answer = fmt.Sprint(took)
				}
				fmt.Fprintln(conn, answer)
			}
		}()
	}
}
