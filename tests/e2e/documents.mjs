/**
 * The page of the HTTP API, and a person who tries requests on it.
 *
 *     node documents.mjs <service url> <scenario> <folder for pictures> [<JSON: key>]
 *
 * The pytest file beside this one calls it and judges what it prints (person.mjs).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { open as openEditor, perform, PHONE, until, visit } from "./person.mjs";

const [, , serviceUrl, name, folder, more = "{}"] = process.argv;
const { key } = JSON.parse(more);

/** Opens the page and waits until its operations are there. */
async function open(options = {}) {
  const page = await visit(new URL("docs", serviceUrl).href, options);
  await page.locator(".opblock").nth(10).waitFor();
  return page;
}

/** An operation, opened as by a click on its line. */
async function unfolded(page, id) {
  const operation = page.locator(`.opblock[id$="-${id}"]`);
  await operation.locator(".opblock-summary-control").click();
  await operation.locator("button.execute").waitFor();
  return operation;
}

/** Status and body of what the service answered to what was tried. */
async function tried(operation) {
  await operation.locator("button.execute").click();
  const live = operation.locator(".live-responses-table");
  await live.locator("tbody .response-col_status").first().waitFor();
  const status = (await live.locator("tbody .response-col_status").first().innerText()).trim();
  const body = live.locator(".highlight-code pre").first();
  await body.waitFor();
  return { status: Number.parseInt(status, 10), body: await body.innerText() };
}

const scenarios = {
  async a_program_is_tried_on_the_page() {
    const page = await open();
    const operation = await unfolded(page, "execute");
    const answer = await tried(operation);
    assert.equal(answer.status, 200);
    assert.match(answer.body, /"output": "Hello, world\\n"/);
    const field = operation.locator("textarea.body-param__text");
    await field.fill(JSON.stringify({ code: "print(6 * 7)" }));
    await operation.locator("button.execute").click();
    await until("the other answer", async () => (await operation.locator(".live-responses-table").innerText()).includes('"output": "42\\n"'));
    await page.screenshot({ path: join(folder, "tried.png") });
  },

  async every_operation_is_there_with_its_words() {
    const page = await open();
    const document = await page.evaluate(() => fetch("openapi.json").then((answer) => answer.json()));
    const described = Object.values(document.paths).flatMap((operations) => Object.values(operations));
    assert.equal(await page.locator(".opblock").count(), described.length);
    const text = await page.locator("#documentation").innerText();
    for (const { summary } of described) assert.ok(text.includes(summary), summary);
    assert.equal(await page.locator(".errors-wrapper").count(), 0, "Swagger UI found errors in the document");
  },

  async nothing_on_it_leads_elsewhere() {
    const page = await open();
    await unfolded(page, "beginExecution");
    const addresses = await page.evaluate(() =>
      [...document.querySelectorAll("[src], [href], [action], [xlink\\:href]")].map((each) => each.href?.baseVal ?? each.href ?? each.src ?? each.action),
    );
    assert.ok(addresses.length > 3);
    const host = new URL(serviceUrl).host;
    assert.deepEqual(addresses.filter((each) => !/^(data:|#)/.test(each) && new URL(each).host !== host), []);
  },

  async dark_and_light_on_a_desk_and_in_a_hand() {
    const grounds = [];
    for (const [place, options] of [["desk", {}], ["hand", PHONE]]) {
      for (const colorScheme of ["light", "dark"]) {
        const page = await open({ ...options, colorScheme });
        await page.screenshot({ path: join(folder, `${place}-${colorScheme}.png`) });
        const operation = await unfolded(page, "execute");
        await tried(operation);
        await operation.scrollIntoViewIfNeeded();
        await page.screenshot({ path: join(folder, `${place}-${colorScheme}-open.png`), fullPage: place === "desk" });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${place}: ${wide} pixels are beside the screen`);
        grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
        await page.context().close();
      }
    }
    assert.notEqual(grounds[0], grounds[1]);
    assert.deepEqual(grounds.slice(0, 2), grounds.slice(2));
  },

  async colours_are_chosen_and_kept() {
    const page = await open({ colorScheme: "light" });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), "light");
    await page.getByRole("button", { name: /^Colours/ }).click(); // light, whatever the system says
    await page.getByRole("button", { name: /^Colours/ }).click();
    assert.equal(await theme(), "dark");
    await page.reload();
    await page.locator(".opblock").first().waitFor();
    assert.equal(await theme(), "dark");
  },

  async nothing_of_it_is_loaded_by_the_editor() {
    const page = await openEditor(serviceUrl);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.reload();
    await page.locator("button.run:enabled").waitFor();
    assert.ok(asked.length > 3);
    assert.deepEqual(asked.filter((url) => /swagger|\/docs/.test(url)), []);
  },

  async a_key_opens_what_is_shut() {
    const page = await open();
    const operation = await unfolded(page, "execute");
    const refused = await tried(operation);
    assert.equal(refused.status, 401);
    assert.match(refused.body, /credential-missing/);
    await page.locator(".auth-wrapper button.authorize").first().click();
    const dialog = page.locator(".modal-ux");
    await dialog.locator("input").first().fill(key);
    await dialog.locator("button.authorize").first().click();
    await dialog.locator("button.btn-done").first().click();
    await operation.locator("button.execute").click();
    await until("the answer", async () => (await operation.locator(".live-responses-table").innerText()).includes('"output": "Hello, world\\n"'));
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(key), "the key is kept somewhere");
  },
};

await perform(scenarios, name);
