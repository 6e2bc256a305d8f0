// Who acts in this page, by the role chart.
import { session } from '../features/session/session.svelte';

export type Role = 'agent' | 'technician' | 'expert' | 'authorised' | 'supervisor' | 'reviewer' | 'owner' | 'administrator' | 'auditor';
export const is = (...roles: Role[]): boolean => roles.some((role) => session.me?.roles.includes(role) ?? false);
export const me = (): string => session.me?.person ?? '';
