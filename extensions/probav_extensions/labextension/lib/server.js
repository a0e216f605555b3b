// @ts-check
/** Questions to the notebook server. */

export class Server {
  /**
   * @param {import('./shared.js').Lab} lab
   * @param {any} app
   */
  constructor(lab, app) {
    this.settings = app.serviceManager.serverSettings;
    this.connection = lab.services.ServerConnection;
    this.url = lab.coreutils.URLExt;
  }

  /**
   * Return the JSON at a path of the server.
   *
   * What is asked by the clock must not keep a server from being stopped for want of use.
   *
   * @param {string} path
   * @returns {Promise<any>}
   */
  async get(path) {
    const address = this.url.join(this.settings.baseUrl, path) + '?no_track_activity=1';
    const response = await this.connection.makeRequest(address, {}, this.settings);
    const text = await response.text();
    /** @type {any} */
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      throw new Error(`The server's answer to ${path} is no JSON (${response.status}).`);
    }
    if (!response.ok) {
      throw new Error(found.message || `The server answers ${response.status} to ${path}.`);
    }
    return found;
  }
}
