// Who says that it is well, and who does not. A program without health checks has no such page.
import { usePoll } from './api.js';
import { Nothing, PidLink } from './parts.jsx';

const HEALTH_MS = 2000; // each question asks processes
const SIGNS = { healthy: '✓', degraded: '◐', unhealthy: '✕' };
const WORST_FIRST = ['unhealthy', 'degraded', 'healthy'];

export const useHealth = () => usePoll('/api/health', HEALTH_MS);

export function HealthWord({ status }) {
    return <span class={`health health-${status}`}><span aria-hidden="true">{SIGNS[status] || '?'}</span> {status}</span>;
}

// In the header, on every page.
export function HealthBadge({ health }) {
    if (!health || !health.asked) return null;
    return <a class="badge" href="#/health" aria-label={`Health: ${health.status}`}><HealthWord status={health.status} /></a>;
}

export function Health({ health, error }) {
    const checks = health && health.checks ? [...health.checks] : [];
    checks.sort((a, b) => WORST_FIRST.indexOf(a.status) - WORST_FIRST.indexOf(b.status));
    return (
        <>
            <h1>Health {health && health.asked ? <HealthWord status={health.status} /> : null}</h1>
            {error ? <Nothing error={error} /> : null}
            {health && checks.length === 0 ? <Nothing why={health.why}>No process of this program has a health check.</Nothing> : null}
            {checks.length ? <p class="dim">{health.asked} asked: {health.healthy} healthy, {health.degraded} degraded, {health.unhealthy} unhealthy.</p> : null}
            {checks.length ? (
                <div class="scroll">
                    <table>
                        <thead><tr><th scope="col">State</th><th scope="col">Process</th><th scope="col" class="wide">Pid</th><th scope="col">What it says</th></tr></thead>
                        <tbody>
                            {checks.map((check) => (
                                <tr key={`${check.pid} ${check.name}`}>
                                    <td><HealthWord status={check.status} /></td>
                                    <td><b>{check.name || check.label}</b></td>
                                    <td class="wide"><PidLink pid={check.pid} /></td>
                                    <td class="told">{check.text}{check.answered === false ? <span class="dim"> (no answer yet)</span> : null}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            ) : null}
        </>
    );
}
