// The workloads of spawned-bench as a Go programmer writes them: goroutines and channels.
//
//	bench WORKLOAD WORKERS SIZE SECONDS
//
// SIZE and SECONDS 0 mean the defaults, which are those of spawned-bench. Prints "METRIC VALUE"
// lines. tcp_echo is a server: it prints its port and serves until its input ends.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What one run is asked for.
type options struct {
	workers int
	size    int
	seconds int
}

// or is the size, or the default.
func (o options) or(normal int) int {
	if o.size > 0 {
		return o.size
	}
	return normal
}

var workloads = map[string]func(options){
	"pingpong":        pingpong,
	"ring":            ring,
	"spawn":           spawn,
	"idle_memory":     idleMemory,
	"skynet":          skynet,
	"fanin":           fanin,
	"mailbox_bounded": mailboxBounded,
	"big":             big,
	"call":            call,
	"call_c1000":      callC1000,
	"timers":          timers,
	"fairness":        fairness,
	"tcp_echo":        tcpEcho,
}

func main() {
	if len(os.Args) != 5 {
		fail("usage: bench WORKLOAD WORKERS SIZE SECONDS")
	}
	run := workloads[os.Args[1]]
	if run == nil {
		fail("no such workload: " + os.Args[1])
	}
	o := options{number(os.Args[2]), number(os.Args[3]), number(os.Args[4])}
	runtime.GOMAXPROCS(o.workers)
	run(o)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		fail("not a number: " + text)
	}
	return n
}

func out(metric string, value float64) {
	fmt.Printf("%s %.3f\n", metric, value)
}

// memory is a figure of /proc/self/status in bytes.
func memory(key string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err.Error())
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, key) {
			return 1024 * float64(number(strings.Fields(line)[1]))
		}
	}
	fail("no " + key)
	return 0
}

func nsSince(start time.Time) float64 {
	return float64(time.Since(start).Nanoseconds())
}

// player passes the number it gets on, one less, until it is zero.
func player(in <-chan int, next chan<- int, done chan<- struct{}) {
	for left := range in {
		if left == 0 {
			done <- struct{}{}
			return
		}
		next <- left - 1
	}
}

// players is the time of `hops` hops around a circle of `count` goroutines.
func players(count, hops int) float64 {
	channels := make([]chan int, count)
	for i := range channels {
		channels[i] = make(chan int, 1)
	}
	done := make(chan struct{})
	for i := range channels {
		go player(channels[i], channels[(i+1)%count], done)
	}
	start := time.Now()
	channels[0] <- hops
	<-done
	return nsSince(start)
}

func pingpong(o options) {
	messages := 2 * o.or(2000000)
	out("ns_per_message", players(2, messages)/float64(messages))
}

func ring(o options) {
	hops := o.or(5000000)
	out("ns_per_hop", players(503, hops)/float64(hops))
}

func spawn(o options) {
	count := o.or(1000000)
	start := time.Now()
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go all.Done()
		if i%100 == 99 {
			runtime.Gosched() // or a million of them wait: six times slower with one worker
		}
	}
	all.Wait()
	out("ns_per_spawn_exit", nsSince(start)/float64(count))
}

func idler(in <-chan int, value int) {
	for n := range in {
		value += n
	}
}

func idleMemory(o options) {
	count := o.or(1000000)
	// The addresses are kept in memory that is there, and not counted, before the start.
	addresses := make([]chan<- int, count)
	for i := range addresses {
		addresses[i] = make(chan int)
		addresses[i] = nil
	}
	debug.FreeOSMemory()
	before := memory("VmRSS:")
	start := time.Now()
	for i := range addresses {
		in := make(chan int)
		addresses[i] = in
		go idler(in, i)
	}
	ns := nsSince(start)
	time.Sleep(500 * time.Millisecond)
	debug.FreeOSMemory()
	after := memory("VmRSS:")
	out("bytes_per_actor", (after-before)/float64(count))
	out("ns_per_start", ns/float64(count))
	out("rss_mib", after/(1<<20))
	runtime.KeepAlive(addresses)
}

func node(parent chan<- int, first, size int) {
	if size == 1 {
		parent <- first
		return
	}
	sums := make(chan int, 10)
	part := size / 10
	for i := 0; i < 10; i++ {
		go node(sums, first+i*part, part)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	parent <- sum
}

func skynet(o options) {
	leaves := o.or(1000000)
	top := make(chan int)
	start := time.Now()
	go node(top, 0, leaves)
	sum := <-top
	ms := nsSince(start) / 1e6
	if sum != leaves*(leaves-1)/2 {
		fail("the sum is wrong (the size must be a power of ten)")
	}
	out("ms", ms)
}

// fill is the messages per second from `senders`, `each` per sender, to one receiver.
func fill(senders, each int) float64 {
	in := make(chan int, 1024)
	done := make(chan int)
	go func() {
		sum := 0
		for i := 0; i < senders*each; i++ {
			sum += <-in
		}
		done <- sum
	}()
	start := time.Now()
	for i := 0; i < senders; i++ {
		go func() {
			for n := 0; n < each; n++ {
				in <- n
			}
		}()
	}
	sum := <-done
	ns := nsSince(start)
	if sum != senders*(each*(each-1)/2) {
		fail("the sum is wrong")
	}
	return float64(senders*each) / (ns / 1e9)
}

func fanin(o options) {
	out("messages_per_s", fill(100, o.or(100000)))
	out("peak_rss_mib", memory("VmHWM:")/(1<<20))
}

func mailboxBounded(o options) {
	out("messages_per_s", fill(1, o.or(2000000)))
}

// xorshift is a random generator without a lock.
type xorshift uint64

func (x *xorshift) below(n int) int {
	v := uint64(*x)
	v ^= v << 13
	v ^= v >> 7
	v ^= v << 17
	*x = xorshift(v)
	return int(v % uint64(n))
}

// A bigMessage is a ping of `from`, or a pong if that is nil.
type bigMessage struct {
	from chan<- bigMessage
}

// bigMember pings `pings` random others, one at a time, and answers whoever pings it.
func bigMember(self chan bigMessage, members []chan bigMessage, pings, seed int, done *sync.WaitGroup) {
	random := xorshift(seed*2654435761 + 88172645463325252)
	members[random.below(len(members))] <- bigMessage{self}
	for message := range self {
		if message.from != nil {
			message.from <- bigMessage{}
			continue
		}
		if pings--; pings == 0 {
			done.Done()
			continue
		}
		members[random.below(len(members))] <- bigMessage{self}
	}
}

func big(o options) {
	const count = 500
	pings := o.or(2000)
	members := make([]chan bigMessage, count)
	for i := range members {
		// Room for one ping of everybody and a pong: a member never waits to send.
		members[i] = make(chan bigMessage, count+1)
	}
	var done sync.WaitGroup
	done.Add(count)
	start := time.Now()
	for i := range members {
		go bigMember(members[i], members, pings, i, &done)
	}
	done.Wait()
	out("messages_per_s", 2*count*float64(pings)/(nsSince(start)/1e9))
}

type request struct {
	reply chan<- int
}

func counter(requests <-chan request) {
	value := 0
	for r := range requests {
		value++
		r.reply <- value
	}
}

func caller(requests chan<- request, calls int) {
	reply := make(chan int, 1)
	for i := 0; i < calls; i++ {
		requests <- request{reply}
		<-reply
	}
}

func call(o options) {
	calls := o.or(1000000)
	requests := make(chan request, 1)
	go counter(requests)
	done := make(chan struct{})
	start := time.Now()
	go func() {
		caller(requests, calls)
		close(done)
	}()
	<-done
	out("ns_per_call", nsSince(start)/float64(calls))
}

func callC1000(o options) {
	const clients = 1000
	calls := o.or(1000)
	requests := make(chan request, clients)
	go counter(requests)
	var done sync.WaitGroup
	done.Add(clients)
	start := time.Now()
	for i := 0; i < clients; i++ {
		go func() {
			caller(requests, calls)
			done.Done()
		}()
	}
	done.Wait()
	out("ns_per_call", nsSince(start)/float64(clients*calls))
}

// Lateness in steps of 10 us: 10 s of them, and one for all above.
const (
	lateStepNs = 10000
	lateSteps  = 1000001
)

func lateAt(late []uint32, rank int) float64 {
	seen, step := 0, 0
	for ; step < len(late)-1; step++ {
		if seen += int(late[step]); seen >= rank {
			break
		}
	}
	return float64(step+1) * lateStepNs / 1e6
}

func timers(o options) {
	count := o.or(1000000)
	late := make([]uint32, lateSteps)
	origin := time.Now()
	ticks := make(chan time.Duration, count) // a mailbox without a bound
	done := make(chan struct{})
	go func() {
		for i := 0; i < count; i++ {
			due := <-ticks
			step := int((time.Since(origin) - due) / lateStepNs)
			if step < 0 {
				step = 0
			}
			if step >= lateSteps {
				step = lateSteps - 1
			}
			late[step]++
		}
		close(done)
	}()
	random := xorshift(88172645463325252)
	cpu := cpuSeconds()
	start := time.Now()
	for i := 0; i < count; i++ {
		after := time.Duration(random.below(int(2 * time.Second)))
		due := time.Since(origin) + after
		time.AfterFunc(after, func() { ticks <- due })
	}
	armed := nsSince(start)
	<-done
	wall := nsSince(start)
	out("cpu_s", cpuSeconds()-cpu)
	out("p50_late_ms", lateAt(late, count/2))
	out("p99_late_ms", lateAt(late, count*99/100))
	out("max_late_ms", lateAt(late, count))
	out("arm_ns_per_timer", armed/float64(count))
	out("wall_s", wall/1e9)
}

func fairness(o options) {
	seconds := o.seconds
	if seconds == 0 {
		seconds = 3
	}
	var stop int32
	for i := 0; i < o.workers; i++ {
		go func() {
			for atomic.LoadInt32(&stop) == 0 {
			}
		}()
	}
	time.Sleep(100 * time.Millisecond)
	ping, pong := make(chan int), make(chan int)
	go func() {
		for n := range ping {
			pong <- n
		}
	}()
	us := make([]float32, 0, 1<<24)
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for start := time.Now(); start.Before(end); {
		ping <- 0
		<-pong
		now := time.Now()
		us = append(us, float32(now.Sub(start).Nanoseconds())/1000)
		start = now
	}
	atomic.StoreInt32(&stop, 1)
	sort.Slice(us, func(a, b int) bool { return us[a] < us[b] })
	out("p50_us", float64(us[len(us)/2]))
	out("p99_us", float64(us[len(us)*99/100]))
	out("max_us", float64(us[len(us)-1]))
	out("round_trips", float64(len(us)))
}
