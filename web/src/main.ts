import { mount } from 'svelte';
import './ui/tokens.css';
import './ui/base.css';
import App from './App.svelte';
import { applyTheme } from './ui/theme.svelte';

applyTheme();
mount(App, { target: document.getElementById('app')! });
