// Asking the endpoint: the token, polling, and the last minutes, kept across pages.
import { useEffect, useRef, useState } from 'preact/hooks';

const TOKEN_KEY = 'spawned-token';
const ROWS_MAX = 300;
const POLL_MS = 800;
const OVERVIEW_MS = 500;
const PAUSE_FACTOR = 4; // an answer that took long is asked for less often: it costs the program, too

// The address may bring the token, behind the #, where no server sees it; it is taken out of it.
export function takeTokenFromAddress() {
    const match = /^#token=(.+)$/.exec(location.hash);
    if (!match) return;
    setToken(decodeURIComponent(match[1]));
    history.replaceState(null, '', location.pathname);
}

export function setToken(token) {
    sessionStorage.setItem(TOKEN_KEY, token);
}

export class ApiError extends Error {
    constructor(status, code, text) {
        super(text);
        this.status = status;
        this.code = code;
    }
}

async function request(path, options) {
    const headers = { ...options.headers };
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
        response = await fetch(path, { ...options, headers });
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ApiError(0, 'gone', 'the program does not answer');
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const error = answer.error || { code: 'http', text: `status ${response.status}` };
    throw new ApiError(response.status, error.code, error.text);
}

export const get = (path, signal) => request(path, { signal });
export const post = (path) =>
    request(path, { method: 'POST', headers: { 'Spawned-Action': '1' } });

// {data, error} of a path, asked again each `ms` while the page is seen; what is shown stays
// until the next answer.
export function usePoll(path, ms = POLL_MS, ask = get) {
    const [state, setState] = useState({ data: null, error: null });
    useEffect(() => {
        const abort = new AbortController();
        let timer = 0;
        const turn = async () => {
            if (document.hidden) return;
            const begun = performance.now();
            try {
                const data = await ask(path, abort.signal);
                if (!abort.signal.aborted) setState({ data, error: null });
            } catch (error) {
                if (abort.signal.aborted) return;
                setState((before) => ({ data: before.data, error }));
                if (error.code === 'notfound') return; // an older program: it will not have it later either
            }
            timer = setTimeout(turn, Math.max(ms, PAUSE_FACTOR * (performance.now() - begun)));
        };
        const seen = () => {
            clearTimeout(timer);
            turn();
        };
        setState((before) => ({ data: before.data, error: null }));
        turn();
        document.addEventListener('visibilitychange', seen);
        return () => {
            abort.abort();
            clearTimeout(timer);
            document.removeEventListener('visibilitychange', seen);
        };
    }, [path, ms]);
    return state;
}

// The overview, with all rows of the last minutes instead of those since the last question.
export function useOverview() {
    const kept = useRef({ rows: [], columns: [], program: null });
    const ask = async (path, signal) => {
        const store = kept.current;
        const last = store.rows.length ? store.rows[store.rows.length - 1][0] : 0;
        const answer = await get(`${path}?since=${last}`, signal);
        const fresh = answer.series.rows;
        // A program that was started anew counts from 1 again.
        if (answer.series.last < last || answer.pid !== store.program) store.rows = [];
        store.rows = store.rows.concat(fresh).slice(-ROWS_MAX);
        store.columns = answer.series.columns;
        store.program = answer.pid;
        return { ...answer, rows: store.rows, columns: store.columns };
    };
    return usePoll('/api/overview', OVERVIEW_MS, ask);
}

// One column of the rows; null where it was not measured.
export function column(overview, name) {
    const index = overview.columns.indexOf(name);
    return overview.rows.map((row) => (index < 0 ? null : row[index]));
}
