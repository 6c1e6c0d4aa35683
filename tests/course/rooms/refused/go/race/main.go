// A map, and no lock: as many goroutines change it as the argument says.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	clients := map[int]string{}
	var joined sync.WaitGroup
	for client := 0; client < count; client++ {
		joined.Add(1)
		go func(client int) {
			clients[client] = "a client"
			joined.Done()
		}(client)
	}
	joined.Wait()
	fmt.Println(len(clients), "clients")
}
