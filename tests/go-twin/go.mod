module go-twin

go 1.19
