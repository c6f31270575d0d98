package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// cpuSeconds is the processor time of all threads.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err.Error())
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// echo sends back what a connection says, until it ends.
func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// tcpEcho serves until its input ends. (TCP_NODELAY is Go's default.)
func tcpEcho(options) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail(err.Error())
		}
		go echo(connection)
	}
}
