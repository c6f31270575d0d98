# Completion of the command spawned for bash. Names of processes are asked of the node.

_spawned_names() {
    spawned ps --json --limit 200 2>/dev/null |
        grep -oE '"name":"[A-Za-z0-9_.@:/-]+"' | sed 's/^"name":"//; s/"$//'
}

_spawned() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local common="--address --token --token-file --timeout --json --color --help" own=""
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "ps top tree info trace graph metrics health dump state measure stats suspend resume kill --help --version" -- "$word")
        return
    fi
    case $before in
        -s | --sort) own="pid name mailbox memory handled uptime handling links" ;;
        -S | --status) own="running runnable idle waiting exiting suspended" ;;
        -k | --kind) own="plain server statem supervisor task thread" ;;
        -c | --color) own="auto always never" ;;
        -o | --output | -T | --token-file)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        -a | --address | -t | --token | -w | --timeout | -n | --limit | -d | --delay | -q | --search | -p | --type) return ;;
    esac
    if [[ -n $own ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$own" -- "$word")
        return
    fi
    case $command in
        ps) own="--sort --reverse --limit --search --status --kind" ;;
        top) own="--sort --reverse --limit --search --status --kind --delay --once" ;;
        tree) own="--limit" ;;
        trace) own="--limit --type --delay --once --messages --failed" ;;
        graph) own="--limit --dot --links" ;;
        dump) own="--output --force" ;;
        measure) own="--off" ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$common $own" -- "$word")
    elif [[ $command =~ ^(info|trace|kill|tree|state|measure|stats|suspend|resume)$ ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_spawned_names)" -- "$word")
    fi
}

complete -F _spawned spawned
