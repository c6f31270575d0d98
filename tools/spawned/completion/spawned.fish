# Completion of the command spawned for fish. Names of processes are asked of the node.

function __spawned_names
    spawned ps --json --limit 200 2>/dev/null | string match -rag '"name":"([A-Za-z0-9_.@:/-]+)"'
end

set -l rows "__fish_seen_subcommand_from ps top"

complete -c spawned -f
complete -c spawned -n __fish_use_subcommand -a ps -d "List the processes"
complete -c spawned -n __fish_use_subcommand -a top -d "Show the busiest processes"
complete -c spawned -n __fish_use_subcommand -a tree -d "Draw who started whom"
complete -c spawned -n __fish_use_subcommand -a info -d "Tell all about a process"
complete -c spawned -n __fish_use_subcommand -a trace -d "Tell what a process does"
complete -c spawned -n __fish_use_subcommand -a health -d "Tell whether the program is well"
complete -c spawned -n __fish_use_subcommand -a graph -d "Tell who waits for whom"
complete -c spawned -n __fish_use_subcommand -a metrics -d "Print the metrics"
complete -c spawned -n __fish_use_subcommand -a dump -d "Write the flight recorder to a file"
complete -c spawned -n __fish_use_subcommand -a state -d "Tell the state of a server"
complete -c spawned -n __fish_use_subcommand -a measure -d "Measure a server"
complete -c spawned -n __fish_use_subcommand -a stats -d "Tell what was measured"
complete -c spawned -n __fish_use_subcommand -a suspend -d "Hold a server"
complete -c spawned -n __fish_use_subcommand -a resume -d "Let it go on"
complete -c spawned -n "__fish_seen_subcommand_from measure" -l off -d "No longer"
complete -c spawned -n __fish_use_subcommand -a kill -d "End a process"
complete -c spawned -n "__fish_seen_subcommand_from info kill trace tree state measure stats suspend resume" -a "(__spawned_names)"

complete -c spawned -s a -l address -x -d "Where the node is"
complete -c spawned -s t -l token -x -d "The token"
complete -c spawned -s T -l token-file -r -F -d "A file with the token"
complete -c spawned -s w -l timeout -x -d "Seconds that an answer may take"
complete -c spawned -s c -l color -x -a "auto always never" -d Colours
complete -c spawned -l json -d "One JSON object"
complete -c spawned -s h -l help -d Help

complete -c spawned -n $rows -s s -l sort -x -a "pid name mailbox memory handled uptime handling links" -d Order
complete -c spawned -n $rows -s r -l reverse -d "The other way round"
complete -c spawned -n $rows -s q -l search -x -d "Only those with this text"
complete -c spawned -n $rows -s S -l status -x -a "running runnable idle waiting exiting suspended" -d "Only these"
complete -c spawned -n $rows -s k -l kind -x -a "plain server statem supervisor task thread" -d "Only these"
complete -c spawned -n "__fish_seen_subcommand_from ps top tree trace graph" -s n -l limit -x -d "At most so many"
complete -c spawned -n "__fish_seen_subcommand_from top trace" -s d -l delay -x -d "Seconds between two looks"
complete -c spawned -n "__fish_seen_subcommand_from top trace" -l once -d "One look"
complete -c spawned -n "__fish_seen_subcommand_from trace" -s p -l type -x -d "Only these"
complete -c spawned -n "__fish_seen_subcommand_from trace" -s m -l messages -d "Messages as they are handled"
complete -c spawned -n "__fish_seen_subcommand_from trace" -s F -l failed -d "Only those that fail"
complete -c spawned -n "__fish_seen_subcommand_from graph" -l dot -d "For graphviz"
complete -c spawned -n "__fish_seen_subcommand_from graph" -l links -d "Links and monitors, too"
complete -c spawned -n "__fish_seen_subcommand_from dump" -s o -l output -r -F -d "Where to"
complete -c spawned -n "__fish_seen_subcommand_from dump" -s f -l force -d Overwrite
