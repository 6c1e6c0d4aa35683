// The cost of goroutines, beside that of threads.
//
// Each command prints two numbers on a line. `../src/main.rs` measures the same of threads.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: cost parked|spawn COUNT")
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "parked":
		parked(count)
	case "spawn":
		spawn(count)
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
}

// parked prints how many resident bytes and OS threads count waiting goroutines add.
func parked(count int) {
	residentBefore, threadsBefore := status("VmRSS:"), status("Threads:")
	release := make(chan struct{})
	var started, ended sync.WaitGroup
	started.Add(count)
	ended.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			defer ended.Done()
			started.Done()
			<-release
		}()
	}
	started.Wait()
	fmt.Println((status("VmRSS:")-residentBefore)*1024, status("Threads:")-threadsBefore)
	close(release)
	ended.Wait()
}

// spawn prints two times in nanoseconds: to start a goroutine and wait for its end, and to wake a waiting goroutine and get its
// answer.
func spawn(count int) {
	start := time.Now()
	for i := 0; i < count; i++ {
		var ended sync.WaitGroup
		ended.Add(1)
		go ended.Done()
		ended.Wait()
	}
	spawned := time.Since(start)

	ask, answer := make(chan struct{}), make(chan struct{})
	go func() {
		for range ask {
			answer <- struct{}{}
		}
	}()
	start = time.Now()
	for i := 0; i < count; i++ {
		ask <- struct{}{}
		<-answer
	}
	woken := time.Since(start)
	close(ask)
	fmt.Println(spawned.Nanoseconds()/int64(count), woken.Nanoseconds()/int64(count))
}

// status returns a number from /proc/self/status.
func status(field string) int {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), field) {
			number, err := strconv.Atoi(strings.Fields(lines.Text())[1])
			if err != nil {
				log.Fatal(err)
			}
			return number
		}
	}
	log.Fatalf("no %s in /proc/self/status", field)
	return 0
}
