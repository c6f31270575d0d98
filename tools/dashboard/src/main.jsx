// The shell: navigation, theme, token, and which page is shown.
import { render } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { setToken, takeTokenFromAddress, useOverview } from './api.js';
import { Graph } from './graph.jsx';
import { Health, HealthBadge, useHealth } from './health.jsx';
import { Exits, Timeline } from './history.jsx';
import { Overview } from './overview.jsx';
import { Process } from './process.jsx';
import { Processes } from './processes.jsx';
import { Tree } from './tree.jsx';
import './style.css';

const PAGES = [
    ['overview', 'Overview'],
    ['processes', 'Processes'],
    ['tree', 'Tree'],
    ['graph', 'Graph'],
    ['timeline', 'Timeline'],
    ['exits', 'Exits'],
];
const THEMES = ['auto', 'light', 'dark'];
const DARK = '(prefers-color-scheme: dark)';
const THEME_KEY = 'spawned-theme';

function usePage() {
    const read = () => location.hash.replace(/^#\//, '').split('/');
    const [page, setPage] = useState(read);
    useLayoutEffect(() => {
        const changed = () => setPage(read());
        addEventListener('hashchange', changed);
        return () => removeEventListener('hashchange', changed);
    }, []);
    return page;
}

// The choice, and whether it is dark at this moment, which the system may change.
function useTheme() {
    const [theme, setTheme] = useState(localStorage.getItem(THEME_KEY) || 'auto');
    const [systemDark, setSystemDark] = useState(() => matchMedia(DARK).matches);
    useEffect(() => {
        const media = matchMedia(DARK);
        const changed = () => setSystemDark(media.matches);
        media.addEventListener('change', changed);
        return () => media.removeEventListener('change', changed);
    }, []);
    useLayoutEffect(() => {
        document.documentElement.dataset.theme = theme;
        localStorage.setItem(THEME_KEY, theme);
    }, [theme]);
    const dark = theme === 'dark' || (theme === 'auto' && systemDark);
    return [theme, dark, () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length])];
}

// A digit goes to the page of that number.
function useDigits() {
    useLayoutEffect(() => {
        const pressed = (event) => {
            const page = PAGES[Number(event.key) - 1];
            if (!page || event.ctrlKey || event.altKey || event.metaKey) return;
            if (['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName)) return;
            location.hash = `#/${page[0]}`;
        };
        document.addEventListener('keydown', pressed);
        return () => document.removeEventListener('keydown', pressed);
    }, []);
}

function AskToken({ wrong }) {
    const submit = (event) => {
        event.preventDefault();
        setToken(event.target.elements.token.value);
        location.reload();
    };
    return (
        <form class="token" onSubmit={submit}>
            <h1>A token is needed</h1>
            <p>{wrong ? 'The one that was given is not right.' : 'The program was started with a token; show it.'}</p>
            <input name="token" type="password" aria-label="Token" autocomplete="off" autofocus />
            <button type="submit">Show it</button>
        </form>
    );
}

function Page({ page, overview, error, theme, health }) {
    switch (page[0]) {
    case 'processes': return <Processes key={page[2]} parent={page[1] === 'of' ? page[2] : null} />;
    case 'process': return <Process key={page[1]} pid={page[1]} overview={overview} />;
    case 'tree': return <Tree />;
    case 'graph': return <Graph />;
    case 'timeline': return <Timeline overview={overview} />;
    case 'exits': return <Exits overview={overview} />;
    case 'health': return <Health health={health.data} error={health.error} />;
    default: return <Overview overview={overview} error={error} theme={theme} />;
    }
}

function App() {
    const page = usePage();
    const [theme, dark, nextTheme] = useTheme();
    const { data: overview, error } = useOverview();
    const health = useHealth();
    useDigits();
    const title = (overview && overview.program) || 'Spawned';
    useEffect(() => {
        document.title = title === 'Spawned' ? title : `${title} · Spawned`;
    }, [title]);
    useEffect(() => {
        const link = document.querySelector('nav [aria-current]');
        if (link) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }, [page[0]]);
    if (error && error.status === 401) return <AskToken wrong={sessionStorage.length > 0} />;
    const current = page[0] === 'process' ? 'processes' : page[0] || 'overview';
    return (
        <>
            <a class="skip" href="#main">Skip to the page</a>
            <header>
                <span class="brand">{title}</span>
                <nav aria-label="Pages">
                    {PAGES.map(([id, text]) => (
                        <a key={id} href={`#/${id}`} aria-current={id === current ? 'page' : undefined}>{text}</a>
                    ))}
                </nav>
                <HealthBadge health={health.data} />
                <span class={`live ${error ? 'lost' : ''}`} role="status">
                    {error ? `✕ ${error.message}` : overview ? '● live' : '…'}
                </span>
                <button type="button" class="theme" onClick={nextTheme} aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`}>
                    {{ auto: '◐', light: '☀', dark: '☾' }[theme]}
                </button>
            </header>
            <main id="main" tabIndex={-1}>
                <Page page={page} overview={overview} error={error} theme={dark} health={health} />
            </main>
        </>
    );
}

takeTokenFromAddress();
const app = document.getElementById('app');
app.textContent = '';
render(<App />, app);
